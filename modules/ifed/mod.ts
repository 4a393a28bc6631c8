/**
 * iFed's three modes (Ren et al., OSDI 2022) as linker modules.
 *
 * @module
 */

export { align } from "./align.ts";
export { concatenate, type ConcatenateOptions } from "./concatenate.ts";
export {
  type BranchReport,
  eliminateBranches,
  type EliminateBranchesOptions,
} from "./eliminate_branches.ts";
