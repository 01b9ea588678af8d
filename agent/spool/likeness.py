"""A ticket's picture, for a person: what was printed, or would be. What is secret on paper is black here."""

from datetime import datetime

import msgspec

from agent.config import Printer
from agent.encode import picture
from agent.encode.typeset import typeset
from agent.journal.file import Tx
from agent.model.job import Job, JobKind
from agent.model.papertest import RULERS
from agent.model.ticket import PAPER, READ_NOTICE
from agent.spool.render import Press
from agent.tickets.pages import paper_page

_BLACK = "■"


def likeness(press: Press, tx: Tx, job: Job, printer: Printer, at: datetime) -> bytes:
    """The ticket as a PNG, as it came out of `printer` at this time. Takes tens of milliseconds. Raises TooLong."""
    if job.kind is JobKind.NOTICE and READ_NOTICE.decode(job.share).trouble == PAPER:
        return picture.png(paper_page(printer.name), max(RULERS))
    as_sent = msgspec.structs.replace(job, attempt=max(0, job.attempt - 1), share=_blackened(job))
    rows = typeset(press.layout(tx, as_sent, printer, at), printer.width, charset=printer.charset)
    return picture.png(rows, printer.width)


def _blackened(job: Job) -> bytes:
    """A notice without the code that makes who reads it the box's owner: its paper is where that stands."""
    if job.kind is not JobKind.NOTICE:
        return job.share
    notice = READ_NOTICE.decode(job.share)
    if not notice.code:
        return job.share
    link = notice.link.partition("?")[0]
    return msgspec.json.encode(msgspec.structs.replace(notice, code=_BLACK * len(notice.code), link=link))
