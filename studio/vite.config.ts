import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

export default defineConfig({
  root: import.meta.dirname,
  plugins: [svelte()],
  // `npx vite studio` beside a server on its usual port: the Studio with changes as they are made.
  server: { proxy: { '/v1': 'http://127.0.0.1:8000', '/health': 'http://127.0.0.1:8000' } },
  build: {
    target: 'es2023',
    // Everything is served by `server/studio.ts`, whose content security policy has no room for inlined pieces.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
})
