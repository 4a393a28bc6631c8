/** `isthmus inspect`: what a linker sees in an ELF file. */
import { ElfFile, PF_R, PF_W, PF_X, type Segment } from "../../lib/elf/mod.ts";
import { AARCH64_RELOCATIONS } from "../../modules/sysv/relocations_aarch64.ts";
import { X86_64_RELOCATIONS } from "../../modules/sysv/relocations_x86_64.ts";
import { alignRows, formatCount } from "../../sim/study/table.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson } from "./command.ts";
import { readHostFile } from "./host_files.ts";

const FILE_TYPES: Readonly<Record<number, string>> = {
  1: "relocatable",
  2: "executable at a fixed address",
  3: "position-independent",
  4: "core",
};
const SEGMENT_TYPES: Readonly<Record<number, string>> = {
  1: "LOAD",
  2: "DYNAMIC",
  3: "INTERP",
  4: "NOTE",
  6: "PHDR",
  7: "TLS",
  0x6474e550: "GNU_EH_FRAME",
  0x6474e551: "GNU_STACK",
  0x6474e552: "GNU_RELRO",
  0x6474e553: "GNU_PROPERTY",
  0x69737468: "ISTHMUS_LINKER",
  0x69737470: "ISTHMUS_PACKED",
};

const hex = (value: number): string => `0x${value.toString(16)}`;

function rightsOf({ flags }: Segment): string {
  return (flags & PF_R ? "r" : "-") + (flags & PF_W ? "w" : "-") + (flags & PF_X ? "x" : "-");
}

/** Relocations by type. */
function relocationsOf(elf: ElfFile): Record<string, number> {
  const names = elf.machine === "x86_64" ? X86_64_RELOCATIONS : AARCH64_RELOCATIONS;
  const counts: Record<string, number> = {};
  for (const table of elf.relocationTables) {
    for (const type of table.types) {
      const name = names.find((row) => row.type === type)?.name ?? `type ${type}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
  }
  return counts;
}

function describe(elf: ElfFile) {
  const { header, dynamic } = elf;
  return {
    file: elf.name,
    arch: elf.machine,
    type: FILE_TYPES[header.type] ?? `type ${header.type}`,
    entry: hex(header.entry),
    interpreter: elf.interp,
    linker: elf.linkerName,
    soname: elf.soname,
    buildId: elf.buildId,
    needed: dynamic?.needed ?? [],
    rpath: dynamic?.rpath,
    runpath: dynamic?.runpath,
    segments: elf.segments.map((segment) => ({
      type: SEGMENT_TYPES[segment.type] ?? hex(segment.type),
      rights: rightsOf(segment),
      offset: hex(segment.offset),
      address: hex(segment.vaddr),
      fileSize: segment.filesz,
      memorySize: segment.memsz,
      align: segment.align,
    })),
    symbols: elf.symbols?.length ?? 0,
    relocations: relocationsOf(elf),
  };
}

function text(about: ReturnType<typeof describe>): string {
  const { segments, relocations, needed, symbols, ...facts } = about;
  const rows = Object.entries(facts).filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, "", String(value)]);
  const lines = rows.map(([name, , value]) => `${name.padEnd(14)}${value}`);
  if (needed.length > 0) lines.push(`${"needed".padEnd(14)}${needed.join(" ")}`);
  lines.push(`${"symbols".padEnd(14)}${formatCount(symbols)}`);
  const segmentRows = segments.map((segment) => Object.values(segment).map(String));
  const counts = Object.entries(relocations).map((
    [name, count],
  ) => [`  ${name}`, formatCount(count)]);
  return [
    ...lines,
    "segments",
    alignRows([
      ["  type", "rights", "offset", "address", "in file", "in memory", "align"],
      ...segmentRows.map(([type, ...rest]) => [`  ${type}`, ...rest]),
    ]),
    ...counts.length === 0 ? [] : ["relocations", alignRows(counts)],
  ].join("\n");
}

function run({ positional, values }: Parsed<{ readonly json?: boolean }>): number {
  const [file] = positional;
  const bytes = readHostFile(file);
  const about = describe(ElfFile.parse(bytes, file));
  if (values.json) printJson(about);
  else console.log(text(about));
  return 0;
}

const spec: CommandSpec = {
  name: "inspect",
  summary: "print what a linker sees in an ELF file of the host",
  positional: [{ usage: "<file>", help: "path on the host" }],
  options: [jsonOption],
  example: "isthmus inspect /bin/ls",
  run,
};

export default spec;
