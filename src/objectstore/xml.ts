const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["lt", "<"],
  ["gt", ">"],
  ["amp", "&"],
  ["quot", '"'],
  ["apos", "'"],
]);

/**
 * Returns the contents of the elements with a name, as text that may contain further elements. It is no XML parser: it reads the
 * answers of object stores, whose elements have no attributes of interest, no comments and no element inside one of the same name.
 */
export function elementsOf(xml: string, name: string): string[] {
  const contents: string[] = [];
  const open = new RegExp(`<${name}(?:\\s[^<>]{0,1024}?)?(/?)>`, "g");
  for (let match = open.exec(xml); match !== null; match = open.exec(xml)) {
    const close = match[1] === "/" ? open.lastIndex : xml.indexOf(`</${name}>`, open.lastIndex);
    if (close < 0) break;
    contents.push(xml.slice(open.lastIndex, close));
    open.lastIndex = close;
  }
  return contents;
}

/** Returns the text of the first element with a name, with entities resolved. */
export function textOf(xml: string, name: string): string | undefined {
  const [content] = elementsOf(xml, name);
  return content === undefined ? undefined : unescapeXml(content.trim());
}

/** Resolves entities: the five names, and characters by number. */
function unescapeXml(text: string): string {
  return text.replace(/&(?:([a-z]{1,8})|#(\d{1,7})|#x([0-9A-Fa-f]{1,6}));/g, (all, name, decimal, hex) => {
    if (typeof name === "string") return ENTITIES.get(name) ?? all;
    const code = typeof decimal === "string" ? Number(decimal) : Number.parseInt(String(hex), 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

/** Escapes a text for the content of an element. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
