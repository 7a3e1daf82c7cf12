/** The inbox by keyboard, in Chromium: judge, correct, comment, select; every filter in the address. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { serveFake, type TestServer } from '../../../../src/server/fixtures/server.ts'
import { noChromium, openBrowser, openView, seriousFaults } from '../../../test/browser.ts'

/** Answers a1, the oldest, to aCOUNT. */
async function answer(server: TestServer, count: number): Promise<void> {
  for (let i = 1; i <= count; i++) {
    const response = await server.post('/v1/completions/log', {
      request: { messages: [{ role: 'user', content: `Question ${i}?` }], user: `user-${i % 2}`, metadata: { team: i % 2 === 0 ? 'billing' : 'returns' } },
      response: { id: `a${i}`, created: 1_750_000_000 + i, choices: [{ message: { role: 'assistant', content: `The answer is ${i}.` } }] },
    })
    assert.ok(response.ok, await response.text())
  }
}

async function said(server: TestServer, completion: string): Promise<string> {
  const { data } = await (await server.fetch(`/v1/feedback?completion_id=${completion}&order=asc`)).json() as {
    data: readonly { name: string; value: unknown; user: string | null; superseded: boolean }[]
  }
  return data.filter(({ superseded }) => !superseded).map(({ name, value, user }) => `${user ?? 'nobody'}: ${name} ${JSON.stringify(value)}`).join('; ')
}

const row = (page: Page, id: string) => page.locator(`[data-completion="${id}"]`)

test('answers are judged without a mouse', { skip: noChromium }, async (t) => {
  const server = await serveFake(t)
  const browser = await openBrowser()
  t.after(() => browser.close())
  const { page, problems } = await openView(browser, `${server.server.url}/#/inbox`)

  await page.getByRole('heading', { name: 'No answer is stored yet' }).waitFor()
  assert.ok((await page.locator('pre').first().innerText()).includes(`${server.server.url}/v1/feedback`))
  await answer(server, 6)
  await page.reload()
  await row(page, 'a6').waitFor()

  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.waitForURL(/completion=a5/)
  await page.keyboard.press('d')
  await row(page, 'a5').getByText('thumb down').waitFor()
  assert.equal(await said(server, 'a5'), 'studio: thumbs false')
  await page.keyboard.press('d')
  await row(page, 'a5').getByText('not judged').waitFor()

  await page.keyboard.press('c')
  const editor = page.getByLabel('What the answer should have been')
  assert.equal(await editor.inputValue(), 'The answer is 5.')
  await editor.fill('The answer was 5.')
  await page.keyboard.press('Control+Enter')
  await page.getByLabel('Conversation').locator('ins').getByText('was').waitFor()
  assert.equal(await page.getByLabel('Conversation').locator('del').innerText(), 'is')
  assert.equal(await said(server, 'a5'), 'studio: correction {"role":"assistant","content":"The answer was 5."}')

  await page.keyboard.press('m')
  await page.getByLabel('Comment', { exact: true }).fill('Tense')
  await page.keyboard.press('Control+Enter')
  await page.getByLabel('Conversation').getByText('Tense').waitFor()
  assert.deepEqual(await seriousFaults(page), [])

  await page.keyboard.press('k')
  await page.waitForURL(/completion=a6/)
  await page.keyboard.press('x')
  for (let i = 0; i < 3; i++) await page.keyboard.press('j')
  await page.waitForURL(/completion=a3/)
  await page.keyboard.press('X')
  await page.getByText('4 answers selected').waitFor()
  assert.deepEqual(await seriousFaults(page), [])
  await page.keyboard.press('u')
  await page.getByText('4 answers selected').waitFor({ state: 'detached' })
  for (const id of ['a6', 'a5', 'a4', 'a3']) assert.match(await said(server, id), /studio: thumbs true/)
  assert.doesNotMatch(await said(server, 'a2'), /thumbs/)
  assert.deepEqual(problems, [])
})

test('filters are in the address, come back with it, and end in a dataset', { skip: noChromium }, async (t) => {
  const server = await serveFake(t)
  await answer(server, 60)
  for (const i of [2, 4, 5, 6]) await server.post('/v1/feedback', { completion_id: `a${i}`, name: 'thumbs', value: i !== 4 })
  const browser = await openBrowser()
  t.after(() => browser.close())
  const { page, problems } = await openView(browser, `${server.server.url}/#/inbox`)

  await page.locator('[data-completion]').first().waitFor()
  assert.equal(await page.locator('[data-completion]').count(), 50)
  await answer(server, 61)
  await page.getByRole('button', { name: 'Show older ones' }).click()
  await row(page, 'a1').waitFor()
  assert.equal(await page.locator('[data-completion]').count(), 60)

  await page.getByRole('combobox', { name: 'Tag' }).selectOption('team=billing')
  await page.getByRole('combobox', { name: 'Feedback' }).selectOption('anything')
  await page.getByText('3 answers', { exact: true }).waitFor()
  await page.reload()
  await page.getByText('3 answers', { exact: true }).waitFor()
  assert.deepEqual(await page.locator('[data-completion]').evaluateAll((rows) => rows.map((each) => each.getAttribute('data-completion'))), ['a6', 'a4', 'a2'])
  await page.getByRole('searchbox').fill('question 4')
  await page.getByText('1 answer', { exact: true }).waitFor()
  await page.getByRole('button', { name: /Remove the filter: has “question 4”/ }).click()
  await page.getByText('3 answers', { exact: true }).waitFor()

  // All that match, whether they are selected or not.
  await row(page, 'a6').getByRole('checkbox').check()
  await page.getByRole('button', { name: 'Take all 3 that match' }).click()
  await page.getByRole('button', { name: 'Thumb down' }).last().click()
  await page.getByRole('button', { name: 'Label 3 answers' }).click()
  await row(page, 'a2').getByText('thumb down').waitFor()
  assert.equal(await said(server, 'a4'), 'user-0: thumbs false; studio: thumbs false')

  await page.getByRole('button', { name: 'Make a dataset' }).click()
  await page.getByRole('dialog').getByText('1 row', { exact: true }).waitFor()
  await page.getByRole('dialog').getByText('4 rows that contradict each other').waitFor()
  assert.deepEqual(await seriousFaults(page), [])
  await page.getByRole('button', { name: 'Make the version' }).click()
  await page.waitForURL(/#\/data\/dataset\/billing-labelled\/1/)
  assert.deepEqual(problems, [])
})

test('a narrow screen shows the list or a conversation', { skip: noChromium }, async (t) => {
  const server = await serveFake(t)
  await answer(server, 12)
  const browser = await openBrowser()
  t.after(() => browser.close())
  const { page, problems } = await openView(browser, `${server.server.url}/#/inbox`, { width: 360, height: 700, dark: true })
  await row(page, 'a3').getByRole('link').click()
  await page.getByLabel('Conversation').getByText('The answer is 3.').waitFor()
  assert.equal(await page.locator('[data-completion]').count(), 0)
  assert.ok(await page.getByLabel('Conversation').evaluate((element) => element === element.ownerDocument.activeElement))
  assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360)
  assert.deepEqual(await seriousFaults(page), [])
  await page.getByRole('button', { name: 'Back to the list' }).click()
  await row(page, 'a3').waitFor()
  assert.ok(await row(page, 'a3').getByRole('link').evaluate((element) => element === element.ownerDocument.activeElement))
  assert.deepEqual(await seriousFaults(page), [])
  assert.deepEqual(problems, [])
})
