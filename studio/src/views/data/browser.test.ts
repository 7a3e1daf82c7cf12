/** The data view by keyboard, in Chromium: rows are labelled, rewritten, dropped and saved; a file is mended by its lines. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import { answered } from '../../../../src/feedback/fixtures/answered.ts'
import { serveFake, type TestServer } from '../../../../src/server/fixtures/server.ts'
import type { WireRowPage } from '../../../../src/server/routes/dataset-rows-wire.ts'
import { noChromium, openBrowser, openView, seriousFaults, type ViewOptions } from '../../../test/browser.ts'

const evil = '<img src=x onerror="alert(1)">'

/** A server with a dataset of `count` rows of each kind that is asked for. */
async function served(t: TestContext, count: number, kinds: readonly string[]): Promise<TestServer> {
  const server = await serveFake(t)
  for (let i = 0; i < count; i++) {
    await server.server.context.capture.record(answered({
      id: `c${i}`, user: `u${i}`, createdAt: 1000 + i, messages: [{ role: 'user', content: `Question ${i} ${evil}` }],
      choices: [{ message: { role: 'assistant', content: `Answer ${i}` }, finishReason: 'stop' }, { message: { role: 'assistant', content: `Other ${i}` }, finishReason: 'stop' }],
    }))
    await server.post('/v1/feedback', { completion_id: `c${i}`, name: 'thumbs', value: true })
    await server.post('/v1/feedback', { completion_id: `c${i}`, name: 'choice', value: { chosen: 0, rejected: 1 } })
  }
  for (const kind of kinds) {
    const response = await server.post('/v1/datasets', { name: kind, kind, eval_fraction: 0 })
    assert.equal(response.status, 201, await response.text())
  }
  return server
}

async function view(t: TestContext, { server }: TestServer, route: string, options: ViewOptions = {}) {
  const browser = await openBrowser()
  t.after(() => browser.close())
  return await openView(browser, `${server.url}/${route}`, options)
}

async function rowsOf(server: TestServer, path: string): Promise<WireRowPage> {
  return await (await server.fetch(path)).json() as WireRowPage
}

const row = (page: Page, position: number) => page.locator(`#row-${position}`)

test('rows are labelled, rewritten and dropped without a mouse, and saved as a version', { skip: noChromium }, async (t) => {
  const server = await served(t, 30, ['labelled'])
  const { page, problems } = await view(t, server, '#/data/dataset/labelled')
  await row(page, 0).waitFor()
  const { data } = await rowsOf(server, '/v1/datasets/labelled/rows?view=true&limit=20')
  const learned = data.map(({ view }) => view!.parts.flatMap(({ runs }) => runs.filter(({ loss }) => loss).map(({ text }) => text.trim())).filter((text) => text !== ''))
  const marked = await page.locator('article').evaluateAll((articles) =>
    articles.map((article) => [...article.querySelectorAll('mark')].map(({ textContent }) => textContent.trim()).filter((text) => text !== '↵')))
  assert.deepEqual(marked, learned)

  await page.keyboard.press('j')
  await page.keyboard.press('d')
  await page.getByRole('region', { name: 'Changes' }).getByText('1 relabelled').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'row-1')
  await page.keyboard.press('u')
  await page.keyboard.press('x')
  await row(page, 2).getByText('dropped').waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('e')
  const editor = row(page, 3).getByLabel(/^Answer/)
  await editor.waitFor()
  // Keys that are typed are text.
  await editor.fill('')
  await page.keyboard.type('just xed')
  assert.deepEqual(await seriousFaults(page), [])
  await page.keyboard.press('Control+Enter')
  await row(page, 3).getByText('just xed').waitFor()
  await page.getByText('1 rewritten, 1 relabelled, 1 dropped').waitFor()

  await page.reload()
  await page.getByText('1 rewritten, 1 relabelled, 1 dropped').waitFor()
  await row(page, 3).locator('mark').getByText('just xed').waitFor()
  await page.keyboard.press('?')
  await page.getByRole('dialog').getByText('thumb down, and on to the next row').waitFor()
  assert.deepEqual(await seriousFaults(page), [])
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Save as version 2' }).click()
  await page.getByLabel('What was changed, and why').fill(evil)
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.waitForURL(/#\/data\/dataset\/labelled\/2/)
  await page.getByText(`by hand: “${evil}”`).waitFor()

  const saved = await rowsOf(server, '/v1/datasets/labelled/versions/2/rows?limit=4')
  assert.deepEqual(saved.data.map(({ position, row }) => [position, (row as { label: boolean }).label]), [[0, false], [1, true], [3, true], [4, true]])
  assert.equal((saved.data[2]!.row as { completion: readonly { content: string }[] }).completion[0]!.content, 'just xed')
  assert.equal(await page.getByRole('region', { name: 'Changes' }).count(), 0)
  assert.deepEqual(problems, [])
})

test('pages, searches and the place in the address', { skip: noChromium }, async (t) => {
  const server = await served(t, 45, ['labelled'])
  const { page, problems } = await view(t, server, '#/data/dataset/labelled/1?from=20')
  await row(page, 20).waitFor()
  await page.getByRole('link', { name: 'Next rows' }).click()
  await row(page, 44).waitFor()
  await page.getByRole('link', { name: 'Rows before' }).click()
  await row(page, 20).waitFor()
  await page.getByLabel('Go to row').fill('7')
  await page.getByRole('button', { name: 'Go', exact: true }).click()
  await row(page, 7).waitFor()
  await page.keyboard.press('Tab')
  await page.locator('h1').click()
  await page.keyboard.press('/')
  await page.keyboard.type('answer 33')
  await page.keyboard.press('Enter')
  await page.waitForURL(/search=answer/)
  await row(page, 7).waitFor({ state: 'detached' })
  assert.deepEqual(await page.locator('article h3:first-child').allInnerTexts().then((texts) => texts.filter((text) => text.startsWith('Row'))), ['Row 33'])
  await page.reload()
  await row(page, 33).waitFor()
  await page.getByRole('link', { name: 'Statistics' }).click()
  await page.getByRole('heading', { name: 'Lengths' }).waitFor()
  assert.deepEqual(await seriousFaults(page), [])
  await page.getByRole('link', { name: 'Dropped' }).click()
  await page.getByRole('heading', { name: 'Nothing was dropped' }).waitFor()
  assert.deepEqual(problems, [])
})

test('answers of a pair stand beside each other, on a narrow screen below', { skip: noChromium }, async (t) => {
  const server = await served(t, 3, ['pairs'])
  for (const width of [1280, 360]) {
    const { page, problems } = await view(t, server, '#/data/dataset/pairs', { width, dark: width === 360 })
    const sides = ['Chosen', 'Rejected'].map((name) => row(page, 0).getByRole('region', { name }))
    const [chosen, rejected] = [await sides[0]!.boundingBox(), await sides[1]!.boundingBox()]
    assert.equal(chosen!.y === rejected!.y, width === 1280)
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
    assert.deepEqual(await seriousFaults(page), [])
    assert.deepEqual(problems, [])
  }
})

test('an uploaded file becomes a dataset, whose rows are mended', { skip: noChromium }, async (t) => {
  const server = await serveFake(t)
  const content = ['a', 'b', 'c', 'd'].map((letter) => JSON.stringify({ prompt: `Question ${letter} ${evil}`, completion: `Answer ${letter}`, label: letter !== 'b' }))
  const { page, problems } = await view(t, server, '#/data')
  await page.getByRole('button', { name: 'Upload a file' }).click()
  const contradiction = JSON.stringify({ prompt: `Question a ${evil}`, completion: 'Answer a', label: false })
  await page.getByLabel('File', { exact: true }).setInputFiles({ name: 'our thumbs.jsonl', mimeType: 'text/plain', buffer: Buffer.from([...content, contradiction].join('\n')) })
  await page.getByRole('button', { name: 'Upload', exact: true }).click()
  await page.getByRole('button', { name: 'Make a dataset' }).click()
  assert.equal(await page.getByLabel('Name').inputValue(), 'our-thumbs')
  await page.getByLabel('Held out, %').fill('0')
  assert.deepEqual(await seriousFaults(page), [])
  await page.getByRole('button', { name: 'Make it' }).click()
  await page.getByRole('heading', { name: 'our-thumbs' }).waitFor()
  await row(page, 0).getByText('Question b').first().waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('u')
  await page.getByRole('button', { name: 'Save as version 2' }).click()
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.waitForURL(/our-thumbs\/2/)
  const { data } = await rowsOf(server, '/v1/datasets/our-thumbs/rows')
  assert.deepEqual(data.map(({ row }) => (row as { label: boolean }).label), [true, true, true])
  await page.getByRole('link', { name: 'Dropped' }).click()
  await page.getByText('our thumbs.jsonl:1 and our thumbs.jsonl:5').waitFor()
  assert.deepEqual(await seriousFaults(page), [])
  assert.deepEqual(problems, [])
})

test('an uploaded file is checked line by line, and each line leads to its row', { skip: noChromium }, async (t) => {
  const server = await serveFake(t)
  const { page, problems } = await view(t, server, '#/data')
  await page.getByRole('heading', { name: 'There is nothing to learn from yet' }).waitFor()
  await page.getByRole('button', { name: 'Upload a file' }).click()
  const lines = [{ prompt: 'a', completion: evil, label: true }, { prompt: 'a', completion: evil, label: 'yes' }, { prompt: 'b', completion: 'c', label: false }]
  await page.getByLabel('File', { exact: true }).setInputFiles({ name: 'thumbs.jsonl', mimeType: 'text/plain', buffer: Buffer.from(lines.map((line) => JSON.stringify(line)).join('\n')) })
  await page.getByRole('button', { name: 'Upload', exact: true }).click()
  await page.getByText('1 row cannot be used').waitFor()
  assert.deepEqual(await seriousFaults(page), [])
  await page.getByRole('link', { name: 'thumbs.jsonl:2' }).click()
  await page.getByText(/Training cannot take this row: label: must be true \(thumb up\) or false/).waitFor()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('button', { name: 'Delete it' }).click()
  await page.getByRole('heading', { name: 'There is nothing to learn from yet' }).waitFor()
  assert.deepEqual(problems, [])
})
