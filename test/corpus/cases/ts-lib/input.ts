const a: number = "x";
const b = [1].map((x) => x + 1);
export { a, b };
