package rotation_test
import "testing"
func TestZZ(t *testing.T){
	e := newEngine(t)
	e.mustRotate()
	e.admin.early, e.webhook.early = true, true
	e.mustRotate()
	n:=e.log.Len()
	e.services.failing = true
	e.reconcile()
	t.Log(e.log.String()[n:])
	for id,l := range e.labels(){ t.Log(id,l) }
}
func TestZZ2(t *testing.T){
	e := newEngine(t)
	e.mustRotate()
	e.services.failing = true
	on := e.refuseMoves(promotion)
	t.Log(e.reconcileWith(t.Context()))
	on.Store(false)
	e.services.failing = false
	n:=e.log.Len()
	for range 3 { e.reconcile() }
	t.Log(e.log.String()[n:])
	for id,l := range e.labels(){ t.Log(id,l) }
}
