// Beside the usual: no path to a token may call the host's transcendental Math (engines differ in the last bit; Math.sqrt is exact by IEEE 754),
// and host APIs stay at the rim (see ARCHITECTURE.md, "Rooms").
import tseslint from 'typescript-eslint';

const TRANSCENDENTAL = ['exp', 'expm1', 'pow', 'log', 'log2', 'log10', 'log1p', 'sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'atan2', 'sinh', 'cosh', 'tanh', 'asinh', 'acosh', 'atanh', 'cbrt', 'hypot', 'random'];
const HOST_GLOBALS = ['fetch', 'process', 'Worker', 'navigator', 'window', 'document', 'localStorage', 'indexedDB', 'Deno', 'Bun', 'Buffer', 'require'];

export default tseslint.config(
  { ignores: ['build/', 'node_modules/', 'assembly/', '**/*.mjs'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    files: ['src/**/*.ts', 'tests/**/*.ts', 'examples/**/*.ts'],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // An abort throws the signal's own reason, whatever it is.
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/require-await': 'off',
      eqeqeq: ['error', 'always'],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', { selector: "BinaryExpression[operator='**'][right.type!='Literal']", message: 'The host\'s power function differs between engines: use a kernel.' }],
      'no-restricted-properties': ['error', ...TRANSCENDENTAL.map((property) => ({ object: 'Math', property, message: 'Engines differ in its last bit: use a kernel.' }))],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/wasm/read.ts', 'src/wasm/remembered-file.ts', 'src/wasm/remembered-page.ts', 'src/threads/**', 'src/store/**', 'src/cli/**', 'src/demo/**'],
    rules: {
      'no-restricted-globals': ['error', ...HOST_GLOBALS.map((name) => ({ name, message: 'Host APIs stand only at the rim of wasm, in threads, store, cli and demo.' }))],
      'no-restricted-imports': ['error', { patterns: [{ group: ['node:*'], message: 'Host APIs stand only at the rim of wasm, in threads, store, cli and demo.' }] }],
    },
  },
  {
    // Tests are the place where promises are let go on purpose and where oracles may compute with Math.
    files: ['tests/**/*.ts', 'examples/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
