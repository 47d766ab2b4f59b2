/** Steps on at an even pace until told to stop. */

const PACE_MS = 900;

export class Player {
  #step: () => void;
  #timer = 0;

  constructor(signal: AbortSignal, step: () => void) {
    this.#step = step;
    signal.addEventListener("abort", () => this.set(false));
  }

  get on(): boolean {
    return this.#timer !== 0;
  }

  set(on: boolean): void {
    window.clearInterval(this.#timer);
    this.#timer = on ? window.setInterval(this.#step, PACE_MS) : 0;
  }
}
