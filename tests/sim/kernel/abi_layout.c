/* Sizes and offsets of kernel structures, for abi_layout_test.ts: compiled, never run. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <linux/sysinfo.h>
#include <linux/time_types.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <ucontext.h>

#define SIZE(name, type) __asm__ volatile("\n->" #name " sizeof %c0" ::"i"(sizeof(type)))
#define OFFSET(name, field, type, member)                                                       \
  __asm__ volatile("\n->" #name " " #field " %c0" ::"i"(offsetof(type, member)))

void layouts(void) {
  SIZE(timespec, struct __kernel_timespec);
  OFFSET(timespec, nsec, struct __kernel_timespec, tv_nsec);
  SIZE(itimerval, struct itimerval);
  OFFSET(itimerval, intervalUsec, struct itimerval, it_interval.tv_usec);
  OFFSET(itimerval, sec, struct itimerval, it_value.tv_sec);
  SIZE(rlimit64, struct rlimit64);
  OFFSET(rlimit64, max, struct rlimit64, rlim_max);
  SIZE(tms, struct tms);
  OFFSET(tms, cutime, struct tms, tms_cutime);
  SIZE(stack_t, stack_t);
  OFFSET(stack_t, flags, stack_t, ss_flags);
  OFFSET(stack_t, size, stack_t, ss_size);
  SIZE(rusage, struct rusage);
  OFFSET(rusage, maxrss, struct rusage, ru_maxrss);
  OFFSET(rusage, minflt, struct rusage, ru_minflt);
  OFFSET(rusage, nivcsw, struct rusage, ru_nivcsw);
  SIZE(sysinfo, struct sysinfo);
  OFFSET(sysinfo, totalram, struct sysinfo, totalram);
  OFFSET(sysinfo, procs, struct sysinfo, procs);
  OFFSET(sysinfo, totalhigh, struct sysinfo, totalhigh);
  OFFSET(sysinfo, unit, struct sysinfo, mem_unit);
  SIZE(sigevent, struct sigevent);
  OFFSET(sigevent, signo, struct sigevent, sigev_signo);
  OFFSET(sigevent, notify, struct sigevent, sigev_notify);
  OFFSET(sigevent, tid, struct sigevent, _sigev_un);
  SIZE(clone_args, struct clone_args);
  OFFSET(clone_args, exitSignal, struct clone_args, exit_signal);
  OFFSET(clone_args, stack, struct clone_args, stack);
  OFFSET(clone_args, tls, struct clone_args, tls);
  SIZE(robust_list_head, struct robust_list_head);
  OFFSET(robust_list_head, offset, struct robust_list_head, futex_offset);
  OFFSET(robust_list_head, pending, struct robust_list_head, list_op_pending);
  OFFSET(rseq, cpuId, struct rseq, cpu_id);
  OFFSET(rseq, criticalSection, struct rseq, rseq_cs);
  SIZE(rseq_cs, struct rseq_cs);
  OFFSET(rseq_cs, start, struct rseq_cs, start_ip);
  OFFSET(rseq_cs, abort, struct rseq_cs, abort_ip);
}
