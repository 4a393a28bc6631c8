import type { Module } from "../../../lib/linker/mod.ts";
import { linux } from "../../../modules/mod.ts";

/** The usual modules, able to link (though not to start) programs of glibc. */
export function linkAnything(): Module[] {
  return linux().filter(({ name }) => name !== "gnu");
}
