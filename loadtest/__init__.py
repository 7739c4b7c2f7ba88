"""
Load and measurement: traffic like real life, an empty server to compare with, and clients that cost little.

Floor plan, in reading order:

report         tables and JSON; `python -m loadtest.report locust` is `make loadtest`
path_report    what the answer path's bench found: tables, and one page of HTML
path_plot      latency against offered load as a picture
path_bench     latency at fixed arrival rates up to saturation, beside the empty server
path_overload  several times what is carried: what is accepted as soon as ever, the rest refused at once
path_steps     the steps themselves: the climb to saturation, what is carried, what is valid
bench          Holdfast beside the empty server, in turns, with their ratio
stages         where a server's time went, by stage, thread and request
sides          the servers that a bench compares, started
rival          what a user would pick instead: Redis, SELECT … FOR UPDATE, Booster.predict
price          what an authorization costs at a machine's rate
ledger_bench   transfers/s of the ledger's engines, beside what they are measured by
scoring_bench  how well the scorer tells fraud and how fast it is, each figure beside its bar
screening_bench  how fast names are screened, and how many are found and falsely met
audit_bench    how fast the audit log is verified, and whether it finds what was tampered with
scoring_speed  velocity, features and score in one process: in batches, alone, after a start
scoring_memory  what ten million cards take in memory
redis_counters  the same counters in Redis, to compare with
first_request  whether the first request after a start is as quick as the thousandth
policies_bench  whether questions find the section that answers them, and how soon
rules_bench    how many dossiers the rules assess a second
aml_bench      laundering found in AMLSim's graphs, beside counting degrees
handbook       the Fraud Detection Handbook's protocol: what teaches, what is measured, its figures
replay         a recorded history through one link, in the file's order, and what came of it
labelling      a replay's labels: frauds told when their days had come
kills          a server that dies again and again while a history is replayed
histories      Sparkov's and the Handbook's files as requests and cardholders
steadiness     whether a server stays as it is over many requests, repeats and cancellations
locustfile     Locust's user: a cardholder who pays over gRPC
ledger_embedded  how fast the embedded ledger is, and what it takes
redis_process  a Redis server of one's own
counted        a Python program with its objects counted
circumstances  machine, versions, commit and date
figure         a measurement beside its bar
asking         questions at a fixed pace while the server's neighbours fail, asked again until they are answered
open_loop      the measuring client, a process of its own: every message at its time, whatever has been answered
arrivals       what such a client sends, and when
closed_loop    the same with a fixed number in flight, as fast as the server answers
coalescing     a small client for links, to copy: what waits goes out in one frame
abuse          callers who abuse HTTP/2, and what an honest one notices of them
paced          authorizations at a fixed pace, timed from when they were meant to go out
floors         the empty server: the same contract with nothing behind it
clusters       throwaway TigerBeetle clusters, stopped, killed, started again
cutting        a proxy that delays, cuts and swallows on command
processes      servers as processes: started, awaited, measured, stopped
usage          what processes use: CPU, bytes written, threads
chat_stand_in  a language model's stand-in: chat completions and embeddings, slow, failing or lying as told
http2          the leanest client's half of HTTP/2 and gRPC, without a socket
traffic        seeded purchases over the demo portfolio
"""
