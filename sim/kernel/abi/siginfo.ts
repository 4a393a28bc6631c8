/**
 * siginfo_t as its 128 bytes (include/uapi/asm-generic/siginfo.h; the same on both architectures).
 * The kernel keeps a pending signal's information in this form.
 */
import { setNumber64 } from "./struct.ts";

export const SIGINFO_SIZE = 128;

/** si_code of signals by their origin. */
export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_MESGQ = -3;
export const SI_TKILL = -6;

/** si_code of SIGCHLD. */
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;

/** si_code of SIGSEGV and SIGBUS. */
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const SEGV_PKUERR = 4;
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;

function siginfo(signo: number, code: number): DataView {
  const view = new DataView(new ArrayBuffer(SIGINFO_SIZE));
  view.setInt32(0, signo, true);
  view.setInt32(8, code, true);
  return view;
}

const bytes = (view: DataView): Uint8Array => new Uint8Array(view.buffer);

/** From kill, tkill, or the kernel: sender's pid and uid. */
export function killInfo(signo: number, code: number, pid: number, uid: number): Uint8Array {
  const view = siginfo(signo, code);
  view.setInt32(16, pid, true);
  view.setUint32(20, uid, true);
  return bytes(view);
}

/** A fault; `address` is si_addr, `key` the protection key that forbade it. */
export function faultInfo(signo: number, code: number, address: bigint, key = 0): Uint8Array {
  const view = siginfo(signo, code);
  view.setBigUint64(16, BigInt.asUintN(64, address), true);
  view.setUint32(32, key, true);
  return bytes(view);
}

/** SIGCHLD. Times are clock ticks. */
export function childInfo(
  code: number,
  child: { pid: number; uid: number; status: number; utime: number; stime: number },
  signo: number,
): Uint8Array {
  const view = siginfo(signo, code);
  view.setInt32(16, child.pid, true);
  view.setUint32(20, child.uid, true);
  view.setInt32(24, child.status, true);
  setNumber64(view, 32, child.utime);
  setNumber64(view, 40, child.stime);
  return bytes(view);
}

/** A POSIX timer ran out; the value is the sigevent's, as two halves. */
export function timerInfo(
  signo: number,
  timer: number,
  overrun: number,
  valueLow: number,
  valueHigh: number,
): Uint8Array {
  const view = siginfo(signo, SI_TIMER);
  view.setInt32(16, timer, true);
  view.setInt32(20, overrun, true);
  view.setUint32(24, valueLow, true);
  view.setUint32(28, valueHigh, true);
  return bytes(view);
}

/** A message has come into an empty queue (mq_notify); the value is the sigevent's. */
export function queueInfo(
  signo: number,
  sender: { pid: number; uid: number },
  valueLow: number,
  valueHigh: number,
): Uint8Array {
  const view = siginfo(signo, SI_MESGQ);
  view.setInt32(16, sender.pid, true);
  view.setUint32(20, sender.uid, true);
  view.setUint32(24, valueLow, true);
  view.setUint32(28, valueHigh, true);
  return bytes(view);
}

/** si_code of SIGSYS: a seccomp filter refused a system call. */
export const SYS_SECCOMP = 1;

/** SIGSYS of a seccomp filter; `address` is that of the instruction after the call, `data` the filter's. */
export function seccompInfo(
  signo: number,
  call: { address: number; number: number; arch: number; data: number },
): Uint8Array {
  const view = siginfo(signo, SYS_SECCOMP);
  view.setInt32(4, call.data, true);
  setNumber64(view, 16, call.address);
  view.setInt32(24, call.number, true);
  view.setUint32(28, call.arch, true);
  return bytes(view);
}

/** The system call that a SIGSYS of a filter tells of. */
export function infoSyscall(info: Uint8Array): number {
  return new DataView(info.buffer, info.byteOffset).getInt32(24, true);
}

/** si_signo of a siginfo. */
export function infoSigno(info: Uint8Array): number {
  return info[0] | (info[1] << 8);
}

/** si_code of a siginfo. */
export function infoCode(info: Uint8Array): number {
  return new DataView(info.buffer, info.byteOffset).getInt32(8, true);
}
