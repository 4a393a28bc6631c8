import { ElfBuilder, ElfFile, STT_FUNC } from "../../lib/elf/mod.ts";
import type { Architecture } from "../../lib/linker/mod.ts";

/** Soname of the object with the start code, whose symbols are the channels. */
export const LIBRARY = "sip.so";
export const START = "sip.start";
/** Symbols of words: the list of the other programs' stacks, and the first program's main function. */
export const CHILDREN = "sip.children";
export const MAIN = "sip.main";

/**
 * Start code: makes a thread for each stack of the list at `children`, which ends with 0, and calls `main` (argc,
 * argv) with the process's own. A thread finds on its stack its main function, argc, argv. None of these functions
 * returns. Ends with the two words. Its assembly source is in its test.
 */
export const SIP_START: Record<Architecture, string> = {
  x86_64: "488d1d59000000488b1b488b334885f67420b838000000bf000f050031d24531d24531c00f05" +
    "85c0741a78254883c308ebd8488b052f000000488b3c24488d742408eb05585f4889e631ed48" +
    "83e4f0ffd00f0bcccccccccccccccccccccccccc00000000000000000000000000000000",
  aarch64: "93030058618640f8610100b400e081d2a000a0f2020080d2030080d2040080d2881b80d20100" +
    "00d4e00000b4a001f8b7f5ffff1730020058e00340f9e123009103000014f003c1a8e1030091" +
    "1d0080d21e0080d2e20300915fec7c9200023fd6000000001f2003d51f2003d51f2003d50000" +
    "0000000000000000000000000000",
};

/** The object with the start code. */
export function sipObject(machine: Architecture, pageSize: number): ElfFile {
  const builder = new ElfBuilder({ machine, pageSize, soname: LIBRARY });
  const data = Uint8Array.fromHex(SIP_START[machine]);
  const section = builder.section({ name: ".text", access: "x", align: 16, data });
  builder.symbol({ name: START, section, value: 0, size: data.length - 16, type: STT_FUNC });
  builder.symbol({ name: CHILDREN, section, value: data.length - 16, size: 8 });
  builder.symbol({ name: MAIN, section, value: data.length - 8, size: 8 });
  return ElfFile.parse(builder.build(), LIBRARY);
}
