/** Who may look into other processes: the check of ptrace(2) that other calls share. */
import type { Process } from "../process.ts";
import type { Call } from "../syscall.ts";

/** PTRACE_MODE_REALCREDS: user 0 may, and who has all of the process's users and groups as its own. */
export function mayTrace(call: Call, process: Process): boolean {
  const mine = call.process.credentials, { credentials: theirs, dumpable } = process;
  if (process === call.process || mine.euid === 0) return true;
  const users = [theirs.uid, theirs.euid, theirs.suid];
  const groups = [theirs.gid, theirs.egid, theirs.sgid];
  return dumpable === 1 && users.every((id) => id === mine.uid) &&
    groups.every((id) => id === mine.gid);
}
