import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { brotliCompressSync } from 'node:zlib'
import { build } from 'vite'

const folder = mkdtempSync(join(tmpdir(), 'studio-build-'))
after(() => { rmSync(folder, { recursive: true }) })

/** What of the Studio a browser loads, in bytes as they travel. */
async function weigh(): Promise<{ readonly first: number; readonly all: number; readonly texts: readonly string[] }> {
  const root = join(import.meta.dirname, '..')
  const result = await build({ root, configFile: join(root, 'vite.config.ts'), logLevel: 'silent', build: { outDir: folder, emptyOutDir: true } })
  if (Array.isArray(result) || !('output' in result)) throw new Error('one build is expected')
  const files = result.output.map((file) => ({ file, content: file.type === 'chunk' ? file.code : file.source }))
  const chunks = result.output.filter((file) => file.type === 'chunk')
  const map = chunks.find(({ facadeModuleId }) => facadeModuleId?.endsWith('Map.svelte'))!
  // The page itself, what it asks for at once, and its first view.
  const needed = new Set(['index.html', ...chunks.filter(({ isEntry }) => isEntry).flatMap(withImports), ...withImports(map)])
  function withImports(chunk: (typeof chunks)[number]): string[] {
    const imported = chunk.imports.flatMap((name) => withImports(chunks.find(({ fileName }) => fileName === name)!))
    return [chunk.fileName, ...imported, ...((chunk as { viteMetadata?: { importedCss: Set<string> } }).viteMetadata?.importedCss ?? [])]
  }
  const size = (only: (name: string) => boolean): number =>
    files.filter(({ file }) => only(file.fileName)).reduce((sum, { content }) => sum + brotliCompressSync(content).length, 0)
  return { first: size((name) => needed.has(name)), all: size(() => true), texts: files.map(({ content }) => Buffer.from(content).toString()) }
}

test('what is loaded first is below 150 kB, and nothing comes from elsewhere', async () => {
  const { first, all, texts } = await weigh()
  assert.ok(first > 10_000 && first < 150_000, `${first} bytes`)
  assert.ok(all < 400_000, `${all} bytes in all`)
  // Addresses that are names (namespaces), or shown to be read or clicked, load nothing.
  const loading = /(?:src|href)\s*=\s*\\?["']https?:|url\(\s*["']?https?:|import\(?\s*["']https?:|fetch\(\s*["'`]https?:/
  assert.deepEqual(texts.filter((text) => loading.test(text)).map((text) => loading.exec(text)![0]), [])
  assert.ok(readFileSync(join(folder, 'index.html'), 'utf8').includes('/assets/'))
})
