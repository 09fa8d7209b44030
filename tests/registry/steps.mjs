// Steps, each a line; the sum is what tests/all.sh counts.

let passed = 0
let failed = 0

export const words = (error) => (error.stderr || error.stack || error).toString()

/** Runs one step, prints how it went, and whether it held. */
export async function step(title, test) {
  try {
    await test()
    passed += 1
    console.log(`ok      ${title}`)
    return true
  } catch (error) {
    failed += 1
    console.log(`FAILED  ${title}\n        ${words(error).split('\n').join('\n        ')}`)
    return false
  }
}

/** Prints the sum, and answers whether nothing failed. */
export function sum() {
  console.log(`appview: ${passed} passed, ${failed} failed`)
  return failed === 0
}

export const allHeld = () => failed === 0
