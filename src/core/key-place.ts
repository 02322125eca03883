/** Where an attribute says that a key is: in a file, in a variable of the environment, or in the attribute itself. */
export type KeyPlace =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "variable"; readonly name: string }
  /** PEM, or `base64:` and the DER form. */
  | { readonly kind: "inline"; readonly text: string };

const INLINE = /^(?:-----BEGIN |base64:)/;
const VARIABLE = "env:";

/** Reads the text of an attribute that names a key: a path, `env:NAME`, PEM, or `base64:…`. */
export function keyPlaceOf(text: string): KeyPlace {
  if (INLINE.test(text)) return { kind: "inline", text };
  if (text.startsWith(VARIABLE)) return { kind: "variable", name: text.slice(VARIABLE.length) };
  return { kind: "file", path: text };
}
