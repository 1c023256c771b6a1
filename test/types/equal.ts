/** Whether two types are the same, and not just assignable: `any` equals only `any`. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Takes `true` alone: `is<Equal<A, B>>()` does not compile where they differ. */
export function is<_T extends true>(): void {}
