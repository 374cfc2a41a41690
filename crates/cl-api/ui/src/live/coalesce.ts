/**
 * Does something for a key after it was asked for, once for all that ask within a time, and never
 * twice at once: who asks while it is being done has it done once more afterwards.
 */
export class Coalescer {
  readonly #wait: number;
  readonly #run: (key: string) => Promise<unknown>;
  readonly #states = new Map<
    string,
    { timer?: ReturnType<typeof setTimeout>; isRunning: boolean; again: boolean }
  >();

  constructor(wait: number, run: (key: string) => Promise<unknown>) {
    this.#wait = wait;
    this.#run = run;
  }

  ask(key: string): void {
    const state = this.#states.get(key) ?? { isRunning: false, again: false };
    this.#states.set(key, state);
    if (state.isRunning) state.again = true;
    else state.timer ??= setTimeout(() => this.#begin(key, state), this.#wait);
  }

  #begin(
    key: string,
    state: { timer?: ReturnType<typeof setTimeout>; isRunning: boolean; again: boolean },
  ): void {
    delete state.timer;
    state.isRunning = true;
    state.again = false;
    void this.#run(key)
      .catch(() => {})
      .then(() => {
        state.isRunning = false;
        if (state.again) this.ask(key);
        else this.#states.delete(key);
      });
  }
}
