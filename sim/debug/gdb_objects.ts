/** What gdb reads by name with `qXfer` (GDB manual, "General Query Packets"). */
import { PT_DYNAMIC } from "../../lib/elf/constants.ts";
import type { PlacedObject } from "../memory/address_space.ts";
import { auxiliaryVector } from "./auxiliary_vector.ts";
import { textToHex, toText } from "./gdb_packets.ts";
import { featuresOf, targetDescription } from "./registers.ts";
import type { DebugTarget } from "./target.ts";

/** The object called `name` with `annex` as bytes; undefined if there is none. */
export function objectOf(target: DebugTarget, name: string, annex: string): string | undefined {
  const { kernel, process, space } = target;
  switch (name) {
    case "features":
      if (annex !== "target.xml") return undefined;
      return targetDescription(kernel.cpu.arch, featuresOf(kernel.cpu));
    case "auxv":
      return toText(auxiliaryVector(process.auxv, space.objects[0]));
    case "exec-file":
      return toText(new TextEncoder().encode(process.executable));
    case "threads":
      return document(
        "threads",
        "",
        [...process.threads].map(({ tid, name }) =>
          `<thread id="${tid.toString(16)}" name="${escapeXml(name)}"/>`
        ),
      );
    case "libraries-svr4":
      return space.objects.length === 0 ? undefined : libraries(space.objects);
    case "siginfo": {
      const reason = target.stop?.reason;
      return reason?.kind === "signal" ? toText(reason.info) : undefined;
    }
  }
}

/**
 * Where the modular linker placed objects: programs whose libc knows of no list have one here. gdb reads that
 * of the guest's own linker itself, from memory.
 */
function libraries(objects: readonly PlacedObject[]): string {
  const [, ...libraries] = objects;
  const others = libraries.filter(({ path }) => path.startsWith("/"));
  const lines = others.map(({ path, base, elf }) => {
    const dynamic = elf.segments.find(({ type }) => type === PT_DYNAMIC);
    const at = base + (dynamic?.vaddr ?? 0);
    return `<library name="${escapeXml(path)}" lm="${hex(at)}" l_addr="${hex(base)}" ` +
      `l_ld="${hex(at)}" lmid="0x0"/>`;
  });
  return document("library-list-svr4", ' version="1.0"', lines);
}

const hex = (n: number): string => "0x" + n.toString(16);

function document(root: string, attributes: string, lines: readonly string[]): string {
  const body = [`<${root}${attributes}>`, ...lines, `</${root}>`, ""].join("\n");
  return toText(new TextEncoder().encode(`<?xml version="1.0"?>\n${body}`));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ENTITIES[c]);
}

/** A line of text for gdb's console. */
export const consoleText = (text: string): string => `O${textToHex(text)}`;
