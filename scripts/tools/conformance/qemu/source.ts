/** qemu's source package: its own user-mode tests, and Berkeley TestFloat and SoftFloat, which it brings. */
import { downloadUpstream } from "../../apt.ts";
import { text } from "../../command.ts";

const parts = ["tests/tcg", "tests/fp/berkeley-softfloat-3", "tests/fp/berkeley-testfloat-3"];

/** The part of the source tree that holds tests, in `${cache}/source`, fetched unless it is there. */
export async function qemuSource(suite: string, cache: string): Promise<string> {
  const source = `${cache}/source`;
  if (await Deno.stat(`${source}/tests/tcg`).catch(() => null) !== null) return source;
  await Deno.mkdir(cache, { recursive: true });
  const archive = await downloadUpstream({ suite, architecture: "amd64" }, "qemu", `${cache}/apt`);
  const growing = `${source}.new`;
  await Deno.remove(growing, { recursive: true }).catch(() => {});
  await Deno.mkdir(growing);
  const patterns = parts.map((part) => `*/${part}`);
  await text(
    ["tar", "-xf", archive, "--strip-components=1", "-C", growing, "--wildcards", ...patterns],
  );
  await Deno.rename(growing, source);
  return source;
}

/** Where it is kept. */
export const qemuCache = new URL("../../../../.cache/qemu-tests", import.meta.url).pathname;
