import { type LinkContext, LinkError, type LinkObject } from "../../lib/linker/mod.ts";
import { stateOf } from "../sysv/state.ts";
import { extentOf } from "./map_layout.ts";
import { gnuStateOf } from "./state.ts";

/** Whether the program is only asked what it needs (ldd(1)). */
export function isTraced(link: LinkContext): boolean {
  return (link.environment.get("LD_TRACE_LOADED_OBJECTS") ?? "") !== "";
}

/** Prints the objects as ld.so does for ldd, and ends the program before it begins. */
export function trace(link: LinkContext, program: LinkObject): never {
  const { missing = [] } = stateOf(link);
  const { runtime } = gnuStateOf(link);
  const lines: string[] = [];
  for (const object of link.objects) {
    lines.push(...missing.filter(({ before }) => before === object.index).map(notFound));
    if (object !== program && object !== runtime) lines.push(found(link, object));
  }
  lines.push(...missing.filter(({ before }) => before >= link.objects.length).map(notFound));
  const needsNothing = (program.elf.dynamic?.needed.length ?? 0) === 0;
  link.print(
    1,
    (needsNothing ? ["\tstatically linked"] : lines).map((line) => line + "\n").join(""),
  );
  throw LinkError.of({ occasion: "", object: "", message: "", status: 0 });
}

function notFound({ name }: { readonly name: string }): string {
  return `\t${name} => not found`;
}

/** An object by the name that it was first asked for by, with its file and where it was mapped. */
function found(link: LinkContext, object: LinkObject): string {
  const start = extentOf(link, object).start.toString(16).padStart(16, "0");
  const names = [...stateOf(link).byName].filter(([, other]) => other === object);
  const [name] = names[0] ?? [object.soname];
  const isLoader = object === gnuStateOf(link).loader;
  return isLoader || name === object.path
    ? `\t${object.path} (0x${start})`
    : `\t${name} => ${object.path} (0x${start})`;
}
