/** The adapters in Chromium, over a real server with a tiny model that asks everybody for a key. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { unzipSync } from 'fflate'
import type { Browser, Page } from 'playwright-core'
import { Keys } from '../../../../src/registry/keys.ts'
import { startServerProcess, type ServerProcess } from '../../../../src/server/fixtures/server-process.ts'
import { openStore } from '../../../../src/store/index.ts'
import { noChromium, openBrowser, openView, seriousFaults } from '../../../test/browser.ts'

const fixtures = join(import.meta.dirname, '../../../../src/models/fixtures')
const model = join(fixtures, 'tiny-llama')

describe('the adapters', { skip: noChromium }, () => {
  let directory: string
  let server: ServerProcess
  let browser: Browser
  let page: Page
  let problems: string[]

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'adapters-'))
    const store = await openStore({ directory })
    const { key } = await new Keys(store).create({ name: 'studio', scopes: ['admin'] })
    await store.close()
    server = await startServerProcess([
      '--model', model, '--directory', directory, '--port', '0', '--require-key', '--adapter', `polite=${join(model, 'adapter')}`, '--adapter-root', fixtures,
    ])
    browser = await openBrowser()
    const view = await openView(browser, `${server.url}/#/adapters`)
    page = view.page
    problems = view.problems
    await page.getByLabel('Key').fill(key)
    await page.getByRole('button', { name: 'Use it' }).click()
    await page.getByRole('link', { name: 'polite', exact: true }).waitFor()
    // What was refused before the key was known.
    problems.length = 0
  })
  after(async () => {
    await browser.close()
    await server.end('SIGTERM')
    await rm(directory, { recursive: true })
  })

  test('an alias is made, moved, rolled back, and tells why it stands where it does', async () => {
    await page.getByRole('button', { name: 'New alias' }).click()
    await page.getByLabel('Name').fill('support-bot')
    await page.getByRole('button', { name: 'Point it there' }).click()
    await page.getByText('points to the base').waitFor()
    await page.getByRole('button', { name: 'Move support-bot' }).click()
    await page.getByRole('combobox', { name: 'To' }).selectOption('polite')
    await page.getByLabel('Reason').fill('<b>kinder</b>')
    assert.deepEqual(await seriousFaults(page), [])
    await page.getByRole('button', { name: 'Move it' }).click()
    await page.getByText('points to polite').waitFor()
    await page.getByRole('button', { name: 'Roll back support-bot' }).click()
    await page.getByText('It was moved because: <b>kinder</b>').waitFor()
    await page.getByRole('button', { name: 'Roll it back' }).click()
    await page.getByText('points to the base').waitFor()
    await page.getByRole('button', { name: 'History of support-bot' }).click()
    await page.getByText('rolled back by hand').waitFor()
    assert.deepEqual(await page.getByRole('dialog').getByRole('listitem').locator('.said').allInnerTexts(), ['rolled back by hand', '<b>kinder</b>', 'moved by hand'])
    await page.keyboard.press('Escape')
    assert.deepEqual(problems, [])
  })

  test('an adapter is loaded from a folder, downloaded, merged and deleted', async () => {
    await page.getByRole('button', { name: 'Load from a folder' }).click()
    await page.getByLabel('Name').fill('second')
    await page.getByLabel('Folder on the server').fill('tiny-llama/adapter')
    await page.getByRole('button', { name: 'Load it' }).click()
    await page.getByRole('link', { name: 'second', exact: true }).click()
    await page.getByRole('button', { name: 'Keep it in memory' }).click()
    await page.getByText('kept in memory').waitFor()

    const zip = await downloaded('Download as PEFT (.zip)')
    assert.equal(zip.name, 'second.zip')
    assert.ok((await readFile(join(model, 'adapter/adapter_model.safetensors'))).equals(unzipSync(zip.content)['adapter_model.safetensors']!))

    await page.getByRole('button', { name: 'Merge', exact: true }).click()
    await page.getByRole('link', { name: 'Download (.gguf)' }).waitFor()
    const gguf = await downloaded('Download (.gguf)')
    assert.deepEqual([gguf.name, gguf.content.toString('latin1', 0, 4)], ['second.gguf', 'GGUF'])
    assert.deepEqual(await seriousFaults(page), [])

    await page.getByRole('button', { name: 'Delete …' }).first().click()
    await page.getByText('Its files stay where they are').waitFor()
    await page.getByRole('button', { name: 'Delete it', exact: true }).click()
    await page.getByRole('heading', { name: 'All adapters' }).waitFor()
    await page.getByRole('link', { name: 'polite', exact: true }).waitFor()
    assert.equal(await page.getByRole('link', { name: 'second', exact: true }).count(), 0)
    assert.deepEqual(problems, [])
  })

  async function downloaded(link: string): Promise<{ readonly name: string; readonly content: Buffer }> {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: link }).click()])
    return { name: download.suggestedFilename(), content: await readFile(await download.path()) }
  }
})
