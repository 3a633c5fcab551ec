/** Waits for what the node can only see by looking again, a few times a second. */
export class IdleWaits {
  #checks: (() => void)[] = [];
  #over = false;

  /** Resolves at the first look at which `idle` holds, or when waiting is over. */
  until(idle: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (idle() || this.#over) resolve();
        else this.#checks.push(check);
      };
      check();
    });
  }

  look(): void {
    const checks = this.#checks;
    this.#checks = [];
    for (const check of checks) check();
  }

  /** Nobody waits any more. */
  end(): void {
    this.#over = true;
    this.look();
  }
}
