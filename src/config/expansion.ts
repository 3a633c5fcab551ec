/**
 * `${NAME}` and `${NAME:default}` in the scalars of a configuration file; `$${` stands for a plain `${`.
 *
 * A variable that is not set and has no default is an error, never an empty string. A variable that is set to nothing is set.
 */

export type Expansion =
  | { readonly kind: "same" }
  | { readonly kind: "expanded"; readonly text: string }
  | { readonly kind: "problem"; readonly message: string };

const REFERENCE = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\})?/g;

export function expandVariables(text: string, environment: Readonly<Record<string, string | undefined>>): Expansion {
  if (!text.includes("${")) return { kind: "same" };
  let problem: string | undefined;
  const expanded = text.replaceAll(REFERENCE, (reference: string, name?: string, byDefault?: string) => {
    if (reference === "$${") return "${";
    if (name === undefined) {
      problem ??= "expected ${NAME} or ${NAME:default}; write $${ for a plain ${";
      return reference;
    }
    const value = environment[name] ?? byDefault;
    if (value === undefined) problem ??= `the environment variable ${name} is not set and \${${name}} has no default`;
    return value ?? "";
  });
  return problem === undefined ? { kind: "expanded", text: expanded } : { kind: "problem", message: problem };
}

/** What an unquoted YAML scalar would have been, had the expanded text stood there. */
export function plainScalar(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? Number(text) : text;
}
