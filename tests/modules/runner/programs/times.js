// deno-lint-ignore-file no-unused-vars
// export jmul(i32, i32) -> i32
// import cadd(i32, i32) -> i32
function jmul(a, b) {
  let s = 0;
  for (let i = 0; i < a; i++) s = cadd(s, b);
  return s;
}
