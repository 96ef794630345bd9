import MailSyntax

@testable import MailAuthentication

let grammarTargets = [FuzzTarget("tag-list", tagList)]

/// RFC 6376 §3.2.
private func tagList(_ bytes: UnsafeRawBufferPointer) {
  let list: TagList
  do throws(TagList.Fault) {
    list = try TagList(bytes)
  } catch {
    require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
    return
  }
  require(list.tags.count <= TagList.maximumTags, "tags are bounded")
  require(Set(list.tags.map(\.name)).count == list.tags.count, "no name stands twice")
  for tag in list.tags {
    require(bytes.indices.contains(tag.valueRange.lowerBound - 1), "a value stands behind its =")
    require(tag.valueRange.upperBound <= bytes.count, "a value stands in the list")
    let trimmed = bytes[tag.valueRange].drop { isSpace($0) }.reversed().drop { isSpace($0) }.reversed()
    require(tag.value.utf8.elementsEqual(trimmed), "a value is what stands in its range")
    require(list.tag(tag.name) == tag && list[tag.name] == tag.value, "a tag is found by its name")
  }
  let written = list.tags.map { "\($0.name)=\($0.value)" }.joined(separator: ";")
  let again = made(try TagList(written.utf8))
  require(again.tags.map(\.name) == list.tags.map(\.name), "names are read again")
  require(zip(again.tags, list.tags).allSatisfy { $0.value == $1.value }, "values are read again")
}
