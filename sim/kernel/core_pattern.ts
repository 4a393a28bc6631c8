/** `/proc/sys/kernel/core_pattern`: the name of a core dump, in the process's directory (core(5)). */
export const CORE_PATTERN = "core";
