import { DT_AUDIT, DT_DEPAUDIT } from "../../lib/elf/mod.ts";
import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";

/**
 * Says of each library that LD_AUDIT or the program names that it is not run: it would have to be linked by a
 * loader whose insides it hooks. Scripts have the module `audit`.
 */
export function refuseAuditors(link: LinkContext, program: LinkObject): void {
  const { dynamic } = program.elf;
  const lists = [link.environment.get("LD_AUDIT") ?? ""];
  for (const { tag, value } of dynamic?.entries ?? []) {
    if (tag === DT_AUDIT || tag === DT_DEPAUDIT) {
      lists.push(dynamic!.strings!.at(value, tag === DT_AUDIT ? "DT_AUDIT" : "DT_DEPAUDIT"));
    }
  }
  for (const name of lists.flatMap((list) => list.split(":")).filter((name) => name !== "")) {
    const why = "the modular linker runs no audit libraries";
    link.print(
      2,
      `ERROR: ld.so: object '${name}' cannot be loaded as audit interface: ${why}; ignored.\n`,
    );
  }
}
