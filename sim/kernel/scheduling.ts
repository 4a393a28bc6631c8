/** Scheduling policies of sched(7): kept for each thread, though all threads are scheduled alike. */

export const SCHED_OTHER = 0, SCHED_FIFO = 1, SCHED_RR = 2, SCHED_BATCH = 3, SCHED_IDLE = 5;
export const SCHED_DEADLINE = 6;

export interface SchedulingPolicy {
  readonly policy: number;
  /** 1 to 99 of the real-time policies, else 0. */
  readonly priority: number;
  /** Children begin with the default policy. */
  readonly resetOnFork: boolean;
  /** Of SCHED_DEADLINE, in nanoseconds. */
  readonly runtime: number;
  readonly deadline: number;
  readonly period: number;
}

export const DEFAULT_POLICY: SchedulingPolicy = {
  policy: SCHED_OTHER,
  priority: 0,
  resetOnFork: false,
  runtime: 0,
  deadline: 0,
  period: 0,
};

export const isRealTime = (policy: number): boolean => policy === SCHED_FIFO || policy === SCHED_RR;
/** Policies that nice values matter to. */
export const isFair = (policy: number): boolean => policy === SCHED_OTHER || policy === SCHED_BATCH;
export const isPolicy = (policy: number): boolean =>
  isRealTime(policy) || isFair(policy) || policy === SCHED_IDLE || policy === SCHED_DEADLINE;

/** What a child of a thread with `policy` and `nice` begins with (sched_fork). */
export function inheritedPolicy(
  policy: SchedulingPolicy,
  nice: number,
): { scheduling: SchedulingPolicy; nice: number } {
  if (!policy.resetOnFork) return { scheduling: policy, nice };
  const special = isRealTime(policy.policy) || policy.policy === SCHED_DEADLINE;
  const scheduling = special ? DEFAULT_POLICY : { ...policy, resetOnFork: false };
  return { scheduling, nice: special || nice < 0 ? 0 : nice };
}

/** A thread's priority as /proc/PID/stat shows it: 0 to 39 by its nice value, below 0 in real time. */
export function priorityOf({ policy, priority }: SchedulingPolicy, nice: number): number {
  if (policy === SCHED_DEADLINE) return -101;
  return isRealTime(policy) ? -1 - priority : 20 + nice;
}

/** Whether the parameters of SCHED_DEADLINE make sense (__checkparam_dl). */
export function isDeadline({ runtime, deadline, period }: SchedulingPolicy): boolean {
  if (deadline === 0 || runtime < SHORTEST_RUNTIME) return false;
  if (deadline >= 2 ** 63 || period >= 2 ** 63) return false;
  const every = period || deadline;
  if (every < deadline || deadline < runtime) return false;
  return every >= SHORTEST_PERIOD && every <= LONGEST_PERIOD;
}
const SHORTEST_RUNTIME = 1024;
/** kernel.sched_deadline_period_min_us and _max_us, in nanoseconds. */
const SHORTEST_PERIOD = 100_000, LONGEST_PERIOD = 2 ** 22 * 1000;
