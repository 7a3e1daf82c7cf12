import { defineConfig } from 'eslint/config'
import svelte from 'eslint-plugin-svelte'
import tseslint from 'typescript-eslint'
import svelteConfig from './studio/svelte.config.js'

/** Imports stand in three groups: Node's own modules, packages, our files. */
const importOrder = {
  meta: { type: 'layout', messages: { order: 'Import of {{source}} belongs above: node: first, then packages, then our own files.' } },
  create(context) {
    const groupOf = source => (source.startsWith('node:') ? 0 : source.startsWith('.') ? 2 : 1)
    let last = 0
    return {
      ImportDeclaration(node) {
        const group = groupOf(node.source.value)
        if (group < last) context.report({ node, messageId: 'order', data: { source: node.source.value } })
        last = Math.max(last, group)
      },
    }
  },
}

const rules = {
  'house/import-order': 'error',
  'max-lines': ['warn', { max: 320 }],
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/await-thenable': 'error',
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
  // noUncheckedIndexedAccess makes numeric code unreadable without it; an index in range is the writer's claim.
  '@typescript-eslint/no-non-null-assertion': 'off',
}

export default defineConfig(
  { ignores: ['node_modules/', '**/dist/', 'runs/', 'bench/.venv*/', 'bench/.cache/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strict],
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { house: { rules: { 'import-order': importOrder } } },
    rules,
  },
  {
    files: ['studio/**/*.svelte'],
    extends: [tseslint.configs.strict, svelte.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, parser: tseslint.parser, extraFileExtensions: ['.svelte'], svelteConfig } },
    plugins: { house: { rules: { 'import-order': importOrder } } },
    rules: {
      ...rules,
      // Text of users and models is escaped wherever it is shown (DESIGN section 7).
      'svelte/no-at-html-tags': 'error',
      // Addresses of this app are those of router.svelte.ts, not SvelteKit's.
      'svelte/no-navigation-without-resolve': 'off',
      // `let { open = $bindable() }` takes apart what is not to be changed too.
      'prefer-const': 'off',
    },
  },
  {
    files: ['**/*.test.ts'],
    rules: {
      // node:test returns promises from test() and describe() that it awaits itself.
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'describe', 'it', 'suite'] }] }],
    },
  },
)
