/** Where a thread wants its memory: remembered only, since there is one node. */
export interface MemoryPolicy {
  /** MPOL_ mode and its flags. */
  readonly mode: number;
  /** Nodes as a mask. */
  readonly nodes: number;
}

/** What threads begin with: MPOL_DEFAULT. */
export const DEFAULT_MEMORY_POLICY: MemoryPolicy = { mode: 0, nodes: 0 };
