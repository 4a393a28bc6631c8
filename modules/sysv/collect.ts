import { type LinkContext, LinkError, type LinkObject } from "../../lib/linker/mod.ts";
import { findLibrary, noteRequester } from "./search.ts";
import { stateOf } from "./state.ts";

/** Asks for one library by name; a name already loaded is that object, whatever file it has. */
export function needLibrary(link: LinkContext, requester: LinkObject, name: string): LinkObject {
  const { byName, interpreter } = stateOf(link);
  const byThisName = byName.get(name);
  const known = byThisName !== undefined && link.reuses(byThisName)
    ? byThisName
    : link.objects.find((object) => object.elf.soname === name && link.reuses(object));
  // The program's interpreter is found by its own path, whoever asks for it by name.
  const isInterpreter = interpreter?.path.endsWith(`/${name}`) ?? false;
  const object = link.need(
    known?.file ?? known?.elf ??
      (isInterpreter ? interpreter! : link.library(name) ?? findLibrary(link, requester, name)),
  );
  if (byThisName === undefined || link.reuses(byThisName)) byName.set(name, object);
  noteRequester(object, requester);
  return object;
}

/** Asks for an object's DT_NEEDED libraries, in their order. */
export function collectNeeded(link: LinkContext, object: LinkObject): void {
  const { missing } = stateOf(link);
  for (const name of object.elf.dynamic?.needed ?? []) {
    try {
      needLibrary(link, object, name);
    } catch (error) {
      const isFailure = error instanceof LinkError && error.failure !== undefined;
      if (missing === undefined || !isFailure) throw error;
      if (missing.every((other) => other.name !== name)) {
        missing.push({ name, before: link.objects.length });
      }
    }
  }
}
