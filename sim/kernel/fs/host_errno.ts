/** Errors of Deno's file functions as negative Linux error numbers. */
import * as errno from "../errno.ts";

const BY_NAME = errno as unknown as Readonly<Record<string, number | undefined>>;

/**
 * `-errno` for an error thrown by a `Deno.*Sync` file function; -EIO for one whose kind has no
 * number. Anything that is not a host file error is thrown again.
 */
export function hostErrno(error: unknown): number {
  if (!(error instanceof Error)) throw error;
  const code = (error as { code?: unknown }).code;
  if (typeof code === "string") {
    const number = BY_NAME[code];
    if (number !== undefined) return -number;
  }
  if (error instanceof Deno.errors.NotFound) return -errno.ENOENT;
  if (error instanceof Deno.errors.BrokenPipe) return -errno.EPIPE;
  if (error instanceof Deno.errors.AlreadyExists) return -errno.EEXIST;
  if (error instanceof Deno.errors.PermissionDenied) return -errno.EACCES;
  if (error instanceof Deno.errors.NotCapable) return -errno.EACCES;
  if (error instanceof Deno.errors.NotADirectory) return -errno.ENOTDIR;
  if (error instanceof Deno.errors.IsADirectory) return -errno.EISDIR;
  if (code !== undefined || error.name in Deno.errors) return -errno.EIO;
  throw error;
}

/** `action`'s answer, or `-errno` when the host refuses. */
export function onHost<T>(action: () => T): T | number {
  try {
    return action();
  } catch (error) {
    return hostErrno(error);
  }
}
