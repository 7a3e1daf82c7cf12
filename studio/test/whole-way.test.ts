/** A person's whole way through the Studio, in Chromium, over a real server: from a bad answer to a better adapter on the map. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { startServerProcess, type ServerProcess } from '../../src/server/fixtures/server-process.ts'
import { noChromium, openBrowser, openView, sendMessage, seriousFaults } from './browser.ts'
import { seed } from './seed.ts'

const model = join(import.meta.dirname, '../../src/models/fixtures/tiny-llama')
const question = 'My toaster came broken. What now?'
const correction = 'I am sorry! We will send you a new toaster today.'

test('chat, a thumb down and a correction, inbox, dataset, job, its live curve, the new adapter, its arrow on the map', { skip: noChromium }, async (t) => {
  const { server, browser } = await startBoth(t)
  await seed(server.url, { jobs: false, rows: 120 })
  const { page, problems } = await openView(browser, server.url)
  const step = async (name: string, walk: () => Promise<void>): Promise<void> => {
    let arrived = false
    await t.test(name, async (t) => {
      try {
        await walk()
      } catch (error) {
        t.diagnostic(`${page.url()}\n${await page.locator('body').innerText()}`)
        throw error
      }
      assert.deepEqual(await seriousFaults(page), [])
      assert.deepEqual(problems, [])
      arrived = true
    })
    // What follows builds on it, and would wait in vain.
    assert.ok(arrived, `the way ends at: ${name}`)
  }

  await step('the first page is the map, where nothing is measured yet', async () => {
    await page.getByRole('heading', { level: 1, name: 'Map' }).waitFor()
    assert.equal(await page.locator('a.arrow').count(), 0)
  })

  await step('the base answers in the playground; the answer is bad, and corrected', async () => {
    await page.getByRole('link', { name: 'Playground', exact: true }).click()
    await sendMessage(page, question)
    await page.getByRole('button', { name: 'Bad', exact: true }).click()
    await page.getByRole('status').filter({ hasText: 'Stored' }).waitFor()
    await page.getByRole('button', { name: 'Correct', exact: true }).click()
    await page.getByLabel('What the answer should have been').fill(correction)
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('Your correction', { exact: true }).waitFor()
  })

  await step('the inbox has it first, with what was said', async () => {
    await page.getByRole('link', { name: 'Feedback', exact: true }).first().click()
    const first = page.locator('[data-completion]').first()
    await first.getByText(question).waitFor()
    await first.getByRole('link').click()
    await page.getByLabel('Conversation').getByText(question).waitFor()
    assert.match(await page.getByLabel('Conversation').innerText(), /new toaster/)
  })

  await step('two clicks make a dataset of it and of what was said before', async () => {
    await page.getByRole('button', { name: 'Make a dataset' }).click()
    await page.getByRole('dialog').locator('input[value=pairs]').check()
    await page.getByRole('dialog').getByText(/to train on/).waitFor()
    await page.getByRole('button', { name: 'Make the version' }).click()
    await page.waitForURL(/#\/data\/dataset\//)
    await page.getByRole('searchbox').fill('new toaster')
    await page.keyboard.press('Enter')
    await page.locator('main').getByText(correction).first().waitFor()
  })

  await step('a job learns from it; its curve grows until it has succeeded', async () => {
    await page.getByRole('link', { name: 'Train on this' }).click()
    // So much that a model of 25,000 weights learns something.
    await page.getByLabel('Learning rate').fill('0.01')
    await page.getByLabel('Epochs').fill('4')
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.waitForURL(/#\/runs\/ftjob-/)
    await page.locator('.uplot canvas').first().waitFor()
    await page.reload()
    await page.locator('main').getByText('succeeded', { exact: true }).first().waitFor()
    await page.locator('.uplot canvas').first().waitFor()
  })

  const adapter = await newAdapter(server.url)

  await step('the new adapter answers in the playground', async () => {
    await page.locator('main').getByTitle(adapter, { exact: true }).first().click()
    await page.getByRole('link', { name: /try/i }).first().click()
    await sendMessage(page, question)
    await page.getByRole('button', { name: 'Good', exact: true }).first().waitFor()
  })

  await step('the map has an arrow from the base to it', async () => {
    await page.getByRole('link', { name: 'Map', exact: true }).click()
    await page.locator('a.arrow').first().waitFor({ state: 'attached' })
    assert.equal(await page.locator('a.arrow').count(), 1)
    assert.match(await page.locator('main').innerText(), new RegExp(adapter.split(':').at(-1)!))
  })

  await step('the evaluation says what changed', async () => {
    await page.getByRole('link', { name: 'Evaluation', exact: true }).click()
    await page.getByRole('heading', { name: 'Score', exact: true }).waitFor()
  })

  await page.setViewportSize({ width: 360, height: 740 })
  const menu = page.getByRole('navigation', { name: 'Views' })
  for (const link of await menu.getByRole('link').all()) {
    const [name, address] = [await link.innerText(), await link.getAttribute('href')]
    await step(`${name} fits a narrow screen`, async () => {
      await page.goto(`${server.url}/${address}`)
      // Only of a document that is loaded anew does the browser say when all of it is there.
      await page.reload({ waitUntil: 'networkidle' })
      await page.getByRole('heading', { level: 1, name }).waitFor()
      assert.equal(await settledWidth(page, 360), 360)
      const { x, width } = (await menu.locator('[aria-current]').boundingBox())!
      assert.ok(x >= 0 && x + width <= 360, `the menu shows where one is: ${x} to ${x + width}`)
    })
  }
})

/** The width of what the page holds, once it is `wanted`; after five seconds whatever it is. */
async function settledWidth(page: Page, wanted: number): Promise<number> {
  const width = (): Promise<number> => page.evaluate('document.documentElement.scrollWidth')
  for (let i = 0; i < 100 && await width() !== wanted; i++) await page.waitForTimeout(50)
  return width()
}

/** A server on an empty folder, and Chromium, both ended with the test. */
async function startBoth(t: TestContext): Promise<{ readonly server: ServerProcess; readonly browser: Browser }> {
  const directory = await mkdtemp(join(tmpdir(), 'whole-way-'))
  const server = await startServerProcess(['--model', model, '--directory', directory, '--port', '0'])
  const browser = await openBrowser()
  t.after(async () => {
    await browser.close()
    await server.end('SIGTERM')
    await rm(directory, { recursive: true })
  })
  return { server, browser }
}

/** The adapter of the server's only job. */
async function newAdapter(url: string): Promise<string> {
  const jobs = await (await fetch(`${url}/v1/fine_tuning/jobs`)).json() as { data: { fine_tuned_model: string }[] }
  assert.equal(jobs.data.length, 1)
  return jobs.data[0]!.fine_tuned_model
}

test('what users wrote is shown as text in every view', { skip: noChromium }, async (t) => {
  const { server, browser } = await startBoth(t)
  const id = await attack(server.url)
  const { page, problems } = await openView(browser, server.url)
  const routes = [
    '#/map', '#/guide', `#/playground?prompt=${encodeURIComponent(evil)}&model=${encodeURIComponent(evil)}`, `#/inbox?completion=${id}`, '#/data/dataset/attacks/1', '#/data/dataset/attacks/1?tab=dropped',
    '#/new-job?data=dataset:attacks', '#/runs', '#/adapters', '#/evaluation', `#/${encodeURIComponent(evil)}`,
  ]
  for (const route of routes) {
    await page.goto(`${server.url}/${route}`)
    await page.waitForLoadState('networkidle')
    assert.equal(await page.evaluate('window.hacked'), undefined, route)
    assert.equal(await page.locator('main img, main script, main iframe').count(), 0, route)
  }
  await page.goto(`${server.url}/#/inbox?completion=${id}`)
  await page.getByLabel('Conversation').getByText(evil).first().waitFor()
  // The address names a model that is none: that the server says so is no fault.
  assert.deepEqual(problems.filter((problem) => !/40[04]/.test(problem)), [])
})

const evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'

/** Stores it wherever users and clients can write. @returns the completion's id */
async function attack(url: string): Promise<string> {
  const post = async (path: string, body: object): Promise<{ id: string }> => {
    const response = await fetch(`${url}/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    assert.ok(response.ok, `${path}: ${await response.clone().text()}`)
    return await response.json() as { id: string }
  }
  let id = ''
  for (let i = 0; i < 12; i++) {
    const { id: made } = await post('/completions/log', {
      request: { model: evil, messages: [{ role: 'user', content: `${evil} ${i}` }], user: evil, metadata: { [evil.slice(0, 60)]: evil } },
      response: { choices: [{ message: { role: 'assistant', content: evil } }] },
    })
    await post('/feedback', { completion_id: made, name: 'correction', value: `${evil}!`, tags: { [evil.slice(0, 60)]: evil } })
    await post('/feedback', { completion_id: made, name: 'comment', value: evil })
    await post('/feedback', { completion_id: made, name: evil.slice(0, 20), value: evil })
    id = made
  }
  await post('/datasets', { name: 'attacks', kind: 'pairs' })
  return id
}
