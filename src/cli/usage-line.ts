/** Commander's errors as one line that names the flag, argument or variable first, as all our errors do. */

interface Form {
  readonly pattern: RegExp;
  readonly line: string;
}

/** The value is in our own part of the message, with the reason. */
const FORMS: readonly Form[] = [
  { pattern: /^option '.*' value '.*' from env '(\w+)' is invalid\. (.*)$/, line: "$1: $2" },
  { pattern: /^option '(?:-\w, )?(--[\w-]+).*' argument '.*' is invalid\. (.*)$/, line: "$1: $2" },
  { pattern: /^command-argument value '.*' is invalid for argument '(.*?)'\. (.*)$/, line: "$1: $2" },
  // Neither form repeats the value, which may be the secret itself.
  {
    pattern: /^unknown option '--(admin-)?token(=.*)?'.*$/s,
    line: "unknown option '--$1token': others on this machine can read a command line, so a token comes from a file: --$1token-file PATH",
  },
];

export function usageLine(message: string): string {
  const text = message
    .replace(/^error: /, "")
    .trim()
    .replaceAll(/\s*\n\s*/g, " ")
    .replace("(Did you mean", "(did you mean");
  const form = FORMS.find(({ pattern }) => pattern.test(text));
  return `polarity: ${form === undefined ? text : text.replace(form.pattern, form.line)}\n`;
}
