import type { Module } from "../../../lib/linker/mod.ts";
import { linux } from "../../../modules/mod.ts";

/** The usual modules but those that let a libc start itself: able to link, though not to start, its programs. */
export function linkAnything(): Module[] {
  return linux().filter(({ name }) => name !== "gnu" && name !== "musl");
}
