/** The plotting library. Only what writes reports loads it. */
export { compile, type TopLevelSpec } from "npm:vega-lite@6.4.1";
export { parse, View, Warn } from "npm:vega@6.2.0";
