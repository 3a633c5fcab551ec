/**
 * The names in a certificate's subjectAltName, as Node writes them: `DNS:a.example, URI:spiffe://…, DNS:"odd, name"`.
 *
 * What stands in quotes holds characters that no proper name has, and could pretend to be several names: it is left out.
 */
export function alternativeNames(text: string | undefined, kind: "DNS" | "URI" | "IP Address"): string[] {
  if (text === undefined) return [];
  const plain = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '"');
  const prefix = `${kind}:`;
  return plain
    .split(", ")
    .filter((entry) => entry.startsWith(prefix) && !entry.includes('"'))
    .map((entry) => entry.slice(prefix.length));
}
