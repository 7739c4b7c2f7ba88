"""
The front: bytes in, one record per request; answers back as bytes. It translates, identifies and bounds.

Floor plan, in reading order, the way of a request:

door        the gRPC server: address, options, health, reflection, the end
certificates  what TLS is spoken with, renewed while we serve
transfers   TransferService: money in and out
asking      a transfer as asked for, checked by kind
accounts    AccountService: opened, closed, balances, statements
feedback    FeedbackService: what became known of authorizations
forwarding  services that stay with the core: calls handed on by a front, carried out there
compliance  ComplianceService: who calls, whether he may, cases and what is on record
compliance_watch    cases as they come and change: a bell, and streams without gaps
compliance_writing  what the desk found, as messages
compliance_asking   what is asked of the desk, checked
callers     who calls the office, in which role
counter     what those services share: errors, pages, common fields
service     the unary calls
link        one long-lived link: frames in, frames of answers out
gathering   messages that come one by one, of many callers and links, taken together
refusing    frames refused without being read, while the core is full
clients     who may call here: identities and what each is permitted, followed in their file
clients_file  that file, read and checked
explaining  an explanation, rebuilt from what the journal keeps
writing     records to answers
frames      a link's frames: the ordinary messages at once, the rest one by one
permits     what a caller may do, and how much of it (Numba)
reading     bytes to records: every bad field named
fields      what messages share, checked: keys, cards, merchants, times
card_keys   card numbers as their keyed hashes, also while the key rotates
decoding    the ordinary message, decoded by a kernel
wire        what a protobuf message is made of, read by kernels
identity    who sends
masking     card numbers where none belongs: masked in texts, found in identifiers (Numba)
codes       countries and currencies, letters to numbers and back
"""
