"""A minimal version of the system that TraitorTrack replaces: Flask, SQLAlchemy and gunicorn with
2 workers of 4 threads, on the same tables of the same PostgreSQL.

Three calls do the same as those of TraitorTrack: a child scan in one transaction with its event and
audit row (the same triggers update the counters), a bag lookup, and the totals of the dashboard. The
comparison favours the baseline: sign-in is only a signed token, nothing is limited, logged or measured,
each model is read with its related rows in one SELECT, and the totals are cached in memory for two
seconds, like those of TraitorTrack.

usage: DATABASE_URL=postgresql+psycopg2://… gunicorn -w 2 --threads 4 app:app
"""

import os
import time
import uuid
from datetime import datetime, timezone

from flask import Flask, g, jsonify, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import ForeignKey, create_engine, func, select, text
from sqlalchemy.dialects.postgresql import ENUM, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship, scoped_session, sessionmaker

app = Flask(__name__)
tokens = URLSafeTimedSerializer(os.environ.get("SECRET_KEY", "baseline"))
# As many connections as a worker has threads.
engine = create_engine(os.environ["DATABASE_URL"], pool_size=4, max_overflow=0)
db = scoped_session(sessionmaker(engine, expire_on_commit=False))

BagKind = ENUM("parent", "child", name="bag_kind", create_type=False)
BagStatus = ENUM("open", "completed", name="bag_status", create_type=False)
ScanKind = ENUM("parent", "child", "lookup", "undo", name="scan_kind", create_type=False)
ScanOutcome = ENUM("linked", name="scan_outcome", create_type=False)
ScanSource = ENUM("wedge", name="scan_source", create_type=False)
CHILD_FORMAT = 3


class Base(DeclarativeBase):
    pass


class Area(Base):
    __tablename__ = "dispatch_areas"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str]


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str]
    dispatch_area_id: Mapped[int | None]


class Format(Base):
    __tablename__ = "bag_formats"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Bag(Base):
    __tablename__ = "bags"
    id: Mapped[int] = mapped_column(primary_key=True)
    qr_code: Mapped[str]
    kind: Mapped[str] = mapped_column(BagKind)
    status: Mapped[str | None] = mapped_column(BagStatus)
    format_id: Mapped[int] = mapped_column(ForeignKey("bag_formats.id"))
    name: Mapped[str | None]
    child_count: Mapped[int] = mapped_column(default=0)
    capacity: Mapped[int] = mapped_column(default=0)
    auto_completed: Mapped[bool] = mapped_column(default=False)
    dispatch_area_id: Mapped[int | None] = mapped_column(ForeignKey("dispatch_areas.id"))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_scan_at: Mapped[datetime | None]
    format: Mapped[Format] = relationship()
    area: Mapped[Area | None] = relationship()
    creator: Mapped[User | None] = relationship()
    link: Mapped["Link | None"] = relationship(foreign_keys="Link.child_id", back_populates="child", uselist=False)


class Link(Base):
    __tablename__ = "bag_links"
    child_id: Mapped[int] = mapped_column(ForeignKey("bags.id"), primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey("bags.id"))
    scan_id: Mapped[uuid.UUID | None]
    linked_by: Mapped[int | None]
    linked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    child: Mapped[Bag] = relationship(foreign_keys=child_id, back_populates="link")
    parent: Mapped[Bag] = relationship(foreign_keys=parent_id)


class Scan(Base):
    __tablename__ = "scans"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(ScanKind)
    outcome: Mapped[str] = mapped_column(ScanOutcome)
    source: Mapped[str] = mapped_column(ScanSource)
    qr_code: Mapped[str]
    parent_qr_code: Mapped[str | None]
    user_id: Mapped[int]
    dispatch_area_id: Mapped[int | None]
    scanned_at: Mapped[datetime]
    status_after: Mapped[str | None] = mapped_column(BagStatus)
    child_count_after: Mapped[int | None]


class AuditLog(Base):
    __tablename__ = "audit_logs"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    actor_id: Mapped[int | None]
    actor_name: Mapped[str | None]
    action: Mapped[str]
    entity_type: Mapped[str]
    entity_id: Mapped[str]
    after: Mapped[dict | None] = mapped_column(JSONB)
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]


@app.before_request
def authenticate():
    """Who calls: the user in a token that this server signed."""
    header = request.headers.get("Authorization", "")
    try:
        g.user = tokens.loads(header.removeprefix("Bearer "), max_age=12 * 3600)
    except BadSignature:
        return jsonify(error="sign in first"), 401


@app.teardown_appcontext
def give_connection_back(_error):
    db.remove()


def uuid7(moment):
    """A UUID of version 7 (RFC 9562, 5.7), the key of the tables of events."""
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | (uuid.uuid4().int & ((1 << 76) - 1) & ~(0b11 << 62)) | 0b10 << 62)


def bag_json(bag, parent):
    return {
        "qr_code": bag.qr_code,
        "kind": bag.kind,
        "status": bag.status,
        "format": bag.format.name,
        "name": bag.name,
        "child_count": bag.child_count,
        "capacity": bag.capacity,
        "weight_kg": bag.child_count if bag.kind == "parent" else 1,
        "parent": parent,
        "dispatch_area": bag.area and bag.area.code,
        "created_by": bag.creator and bag.creator.username,
        "created_at": bag.created_at.isoformat(),
        "last_scan_at": bag.last_scan_at and bag.last_scan_at.isoformat(),
    }


@app.post("/api/v1/scans")
def record_scan():
    """A child goes into an open parent."""
    body = request.get_json()
    code, parent_code = body["qr_code"].strip().upper(), body["parent_qr_code"].strip().upper()
    now, user = datetime.now(timezone.utc), g.user
    parent = db.scalars(select(Bag).where(Bag.qr_code == parent_code).with_for_update()).one_or_none()
    if parent is None or parent.status != "open" or parent.dispatch_area_id != user["area"]:
        return jsonify(error="the parent is not open here"), 409
    child = db.scalars(select(Bag).options(joinedload(Bag.link)).where(Bag.qr_code == code)).one_or_none()
    if child is not None and child.link is not None:
        return jsonify(error="the child is in a parent"), 409
    scan = Scan(id=uuid7(now), kind="child", outcome="linked", source="wedge", qr_code=code, parent_qr_code=parent_code,
                user_id=user["id"], dispatch_area_id=user["area"], scanned_at=now)

    def audit(action, entity, after=None):
        db.add(AuditLog(id=uuid7(now), actor_id=user["id"], actor_name=user["name"], action=action, entity_type="bag", entity_id=entity,
                        after=after, ip=request.remote_addr, user_agent=request.user_agent.string))

    if child is None:
        child = Bag(qr_code=code, kind="child", format_id=CHILD_FORMAT, dispatch_area_id=user["area"], created_by=user["id"], last_scan_at=now)
        db.add(child)
        db.flush()
        audit("bag_created", code)
    parent.child_count += 1
    parent.last_scan_at = now
    if parent.child_count == parent.capacity:
        parent.status, parent.auto_completed = "completed", True
        audit("parent_completed", parent_code, {"status": "completed"})
    scan.status_after, scan.child_count_after = parent.status, parent.child_count
    db.add(Link(child_id=child.id, parent_id=parent.id, scan_id=scan.id, linked_by=user["id"], linked_at=now))
    db.add(scan)
    audit("child_linked", code, {"parent_qr_code": parent_code})
    db.commit()
    return jsonify(id=str(scan.id), kind="child", outcome="linked", scanned_at=now.isoformat(), bag=bag_json(child, parent_code)), 201


@app.get("/api/v1/bags/<code>")
def get_bag(code):
    """A bag with what belongs to it."""
    everything = (joinedload(Bag.format), joinedload(Bag.area), joinedload(Bag.creator), joinedload(Bag.link).joinedload(Link.parent))
    bag = db.scalars(select(Bag).options(*everything).where(Bag.qr_code == code.strip().upper())).one_or_none()
    if bag is None:
        return jsonify(error="there is no such bag"), 404
    return jsonify(bag_json(bag, bag.link and bag.link.parent.qr_code))


COUNTERS = text("SELECT metric, sum(value)::bigint FROM stat_counters GROUP BY metric")
TODAY = text("SELECT coalesce(sum(count), 0)::bigint FROM scan_hours WHERE hour >= "
             "date_trunc('day', now() AT TIME ZONE 'Asia/Kolkata') AT TIME ZONE 'Asia/Kolkata'")
kept = {"until": 0.0, "totals": None}


@app.get("/api/v1/stats")
def get_stats():
    """The totals, from the table that triggers keep."""
    if time.monotonic() >= kept["until"]:
        counters = dict(db.execute(COUNTERS).all())
        kept["totals"] = {"counters": counters, "scans_today": db.execute(TODAY).scalar_one()}
        kept["until"] = time.monotonic() + 2
    return jsonify(kept["totals"])


if __name__ == "__main__":
    # A token for the load test: app.py USER_ID USER_NAME AREA_ID
    import sys

    print(tokens.dumps({"id": int(sys.argv[1]), "name": sys.argv[2], "area": int(sys.argv[3])}))
