// deno-lint-ignore-file no-unused-vars
// export times(i32, i32) -> i32
// import plus(i32, i32) -> i32
function times(a, b) {
  let s = 0;
  for (let i = 0; i < a; i++) s = plus(s, b);
  return s;
}
