/** Identifiers of the SPDX license list that packages use most. Any other text is kept as it is, under an identifier of its own. */
const LICENSES = new Set(
  `0BSD AFL-2.1 AFL-3.0 AGPL-3.0 AGPL-3.0-only AGPL-3.0-or-later Apache-1.1 Apache-2.0 Artistic-1.0 Artistic-1.0-Perl Artistic-2.0
  BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause BSD-2-Clause-Patent BSD-3-Clause BSD-4-Clause BSL-1.0 bzip2-1.0.6 CC-BY-3.0 CC-BY-4.0
  CC-BY-SA-3.0 CC-BY-SA-4.0 CC0-1.0 CDDL-1.0 CDDL-1.1 CPL-1.0 curl ECL-2.0 EFL-2.0 EPL-1.0 EPL-2.0 EUPL-1.2 FSFAP FSFUL FSFULLR FTL
  GFDL-1.2-or-later GFDL-1.3-only GFDL-1.3-or-later GPL-1.0-only GPL-1.0-or-later GPL-2.0 GPL-2.0-only GPL-2.0-or-later GPL-3.0
  GPL-3.0-only GPL-3.0-or-later HPND ICU IJG ISC LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1 LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0
  LGPL-3.0-only LGPL-3.0-or-later Libpng libtiff MIT MIT-0 MIT-CMU MPL-1.1 MPL-2.0 MS-PL NCSA OFL-1.1 OLDAP-2.8 OpenSSL PHP-3.01
  PostgreSQL PSF-2.0 Python-2.0 Python-2.0.1 Ruby SGI-B-2.0 Sleepycat SMLNJ TCL Unicode-3.0 Unicode-DFS-2016 Unlicense UPL-1.0 Vim
  W3C WTFPL X11 Zlib ZPL-2.1`.split(/\s+/),
);
const EXCEPTIONS = new Set(
  `Autoconf-exception-3.0 Bison-exception-2.2 Classpath-exception-2.0 Font-exception-2.0 GCC-exception-2.0 GCC-exception-3.1
  Libtool-exception Linux-syscall-note LLVM-exception OpenSSL-exception`.split(/\s+/),
);
/** Longer texts are whole licenses. */
const MAX_EXPRESSION = 1000;

/** Returns whether a text is a license expression of SPDX 2.3 (annex D) of identifiers that are known here. */
export function isLicenseExpression(text: string): boolean {
  if (text.length > MAX_EXPRESSION) return false;
  const words = text.match(/[()]|[^\s()]+/g) ?? [];
  let depth = 0;
  /** Whether a license or a parenthesis must come next. */
  let isOpen = true;
  for (const [index, word] of words.entries()) {
    if (word === "(" && isOpen) depth += 1;
    else if (word === ")" && !isOpen && depth > 0) depth -= 1;
    else if ((word === "AND" || word === "OR") && !isOpen) isOpen = true;
    else if (word === "WITH" && !isOpen && words[index - 1] !== ")") isOpen = true;
    else if (isOpen && (words[index - 1] === "WITH" ? EXCEPTIONS : LICENSES).has(word.replace(/\+$/, "")))
      isOpen = false;
    else return false;
  }
  return !isOpen && depth === 0;
}
