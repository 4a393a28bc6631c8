import { LinkError, type Module, weak } from "../lib/linker/mod.ts";

/**
 * Refuses programs of glibc before anything is loaded: glibc's libc.so.6 and its loader share data that only
 * that loader sets up, so a program linked by anything else would fail at some arbitrary place.
 */
export function glibcCheck(): Module {
  const check = weak((link) => {
    const loader = link.objects.find(({ soname }) => /^ld-linux\b/.test(soname));
    if (loader === undefined) return;
    throw new LinkError(`${loader.soname}: programs of glibc run only with glibc's own loader`);
  });
  return {
    name: "glibc-check",
    register: (object) => object.isProgram ? { "post-collect": check } : {},
  };
}
