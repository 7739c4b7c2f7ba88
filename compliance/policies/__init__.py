"""
The policy library.

Floor plan, in reading order:

library    what must be given to a review, what is found beside it
desk       works imported, superseded by date, withdrawn; the policies that came with us
mandatory  what is not left to search
ranking    a question's words and what means the same; how several rankings become one
embedding  texts as vectors: an endpoint's, or a model's in a folder
reading    files as works: which reader takes which
markdown   Markdown and plain text, by their headings
codified   the Code of Federal Regulations and the United States Code, as Markdown
register   a regulation as the CFPB keeps it: XML, with its official interpretations
splitting  sections into passages on paragraph borders
citing     citations as text, taken apart
marks      where a paragraph stands, by its marks
edition    a work as it was read: sections, paragraphs, passages
"""
