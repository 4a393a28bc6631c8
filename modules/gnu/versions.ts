import { VER_FLG_WEAK } from "../../lib/elf/mod.ts";
import {
  type Failure,
  type LinkContext,
  LinkError,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { stateOf } from "../sysv/state.ts";
import { guestObjects } from "./scopes.ts";

/** Something about the versions that an object needs of another, as ld.so words it. */
interface Finding extends Pick<Failure, "object" | "message"> {
  readonly isFatal: boolean;
}

/** Checks the objects of the start: ld.so warns of what it can do without, and ends a program otherwise. */
export function checkStartVersions(link: LinkContext): void {
  const findings = guestObjects(link).flatMap((object) => [...findingsOf(link, object)]);
  for (const { object, message, isFatal } of findings) {
    if (!isFatal) link.print(2, `${link.programName}: ${object}: ${message}\n`);
  }
  fail(findings.filter(({ isFatal }) => isFatal));
}

/** Checks an object that is being opened. */
export function checkVersions(link: LinkContext, object: LinkObject): void {
  fail([...findingsOf(link, object)].filter(({ isFatal }) => isFatal).slice(0, 1));
}

function fail([first, ...more]: readonly Finding[]): void {
  if (first === undefined) return;
  throw LinkError.of({ ...first, more, occasion: "", status: 1 });
}

/** Every version that is needed and not there (glibc, elf/dl-version.c). */
function* findingsOf(link: LinkContext, object: LinkObject): Generator<Finding> {
  const by = object.isProgram ? link.programName : object.path;
  for (const { file, versions } of object.elf.versions?.needs ?? []) {
    const needed = stateOf(link).byName.get(file) ??
      link.objects.find(({ elf }) => elf.soname === file);
    if (needed === undefined) continue;
    const definitions = needed.elf.versions?.definitions ?? [];
    for (const { name, flags } of versions) {
      if (definitions.some((definition) => definition.name === name)) continue;
      const isWeak = (flags & VER_FLG_WEAK) !== 0;
      const message = definitions.length === 0
        ? `no version information available (required by ${by})`
        : `${isWeak ? "weak " : ""}version \`${name}' not found (required by ${by})`;
      yield { object: needed.path, message, isFatal: definitions.length > 0 && !isWeak };
    }
  }
}
