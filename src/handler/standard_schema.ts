/** What validators have in common (zod, valibot, arktype …): the Standard Schema, version 1. Types only. */

/** A schema that checks a value and gives it its type. @source https://standardschema.dev */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  /** The members that all validators have. `validate` returns the value, which the schema may have changed, or its issues. */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The value, or everything that is wrong with it. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong with a value. */
export interface StandardIssue {
  /** What is wrong, for people. */
  readonly message: string;
  /** The names and indexes that lead from the whole value to the wrong part; none if the whole value is wrong. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}
