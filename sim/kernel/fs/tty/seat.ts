/** Whoever sits at a machine's terminal: sees what programs show, and types. */

/** The outside of a terminal. A script may sit there as well as the user of a real one. */
export interface Seat {
  /** Characters in a row; it may change at any time. */
  readonly columns: number;
  /** Rows; may change too. */
  readonly rows: number;
  /** Show `bytes`; the array is only valid during the call. */
  show(bytes: Uint8Array): void;
  /** What was typed since the last call; null once nobody sits there any more, for good. */
  take(): Uint8Array | null;
  /** Asked between turns: null, or what the machine stands still for, so that the host can take in what is typed. */
  pause(): Promise<void> | null;
  /** Every thread sleeps: wait for something to take, at most `nanoseconds`. Answers how many have passed. */
  wait(nanoseconds: number): Promise<number>;
}
