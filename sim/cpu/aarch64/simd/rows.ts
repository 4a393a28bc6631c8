/** All rows of Advanced SIMD. */
import { checkingStack } from "../row.ts";
import { rows as complex } from "./complex.ts";
import { rows as copy } from "./copy.ts";
import { rows as crypto } from "./crypto.ts";
import { rows as element } from "./element.ts";
import { rows as float } from "./float.ts";
import { rows as floatMisc } from "./float_misc.ts";
import { rows as half } from "./half.ts";
import { rows as loadStore } from "./load_store.ts";
import { rows as long } from "./long.ts";
import { collectingSaturation } from "./saturation.ts";
import { rows as shiftImmediate } from "./shift_immediate.ts";
import { rows as threeSame } from "./three_same.ts";
import { rows as twoMisc } from "./two_misc.ts";

export const rows = collectingSaturation([
  ...checkingStack(loadStore),
  ...copy,
  ...threeSame,
  ...float,
  ...twoMisc,
  ...floatMisc,
  ...shiftImmediate,
  ...long,
  ...element,
  ...crypto,
  ...half,
  ...complex,
]);
