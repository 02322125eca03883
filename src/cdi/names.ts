const WORD = /^[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
const DEVICE = /^[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?$/;
/** A name of Kubernetes, with an optional prefix that is a domain. */
const ANNOTATION = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;

/** True for `vendor/class`, where both start with a letter and end with a letter or digit. */
export function isKind(text: string): boolean {
  const slash = text.indexOf("/");
  return slash > 0 && WORD.test(text.slice(0, slash)) && WORD.test(text.slice(slash + 1));
}

/** True for the name of a device among those of its kind. */
export function isDeviceName(text: string): boolean {
  return DEVICE.test(text);
}

export function isAnnotationKey(text: string): boolean {
  return ANNOTATION.test(text.toLowerCase());
}

/** Splits `vendor/class=name`. Without `=`, or without a vendor, the name is empty, or what is asked for may be a class of devices. */
export function splitDevice(text: string): {
  readonly kind: string;
  readonly name: string;
  readonly hasVendor: boolean;
} {
  const equals = text.indexOf("=");
  const kind = equals < 0 ? text : text.slice(0, equals);
  const slash = kind.indexOf("/");
  return {
    kind,
    name: equals < 0 ? "" : text.slice(equals + 1),
    hasVendor: slash > 0 && slash < kind.length - 1,
  };
}
