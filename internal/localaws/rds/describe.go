package rds

// InstanceDescription is what the API tells of an instance.
type InstanceDescription struct {
	DBInstanceIdentifier  string
	ARN                   string `xml:"DBInstanceArn"`
	DBInstanceStatus      string
	DBClusterIdentifier   string `xml:",omitempty"`
	DBName                string `xml:",omitempty"`
	Engine                string
	MasterUsername        string
	MasterUserSecret      *MasterUserSecret `xml:",omitempty"`
	Address               string            `xml:"Endpoint>Address"`
	Port                  int               `xml:"Endpoint>Port"`
	PendingModifiedValues *PendingValues
}

// ClusterDescription is what the API tells of a cluster.
type ClusterDescription struct {
	DBClusterIdentifier   string
	ARN                   string `xml:"DBClusterArn"`
	Status                string
	DatabaseName          string `xml:",omitempty"`
	Engine                string
	MasterUsername        string
	MasterUserSecret      *MasterUserSecret `xml:",omitempty"`
	Endpoint              string
	ReaderEndpoint        string
	CustomEndpoints       []string `xml:"CustomEndpoints>member"`
	Port                  int
	Members               []Member       `xml:"DBClusterMembers>DBClusterMember"`
	PendingModifiedValues *PendingValues `xml:",omitempty"`
}

// Member is an instance of a cluster.
type Member struct {
	DBInstanceIdentifier string
	IsClusterWriter      bool
}

// MasterUserSecret is the secret in which RDS keeps a master user's password.
type MasterUserSecret struct{ SecretArn, SecretStatus string }

// PendingValues has a member when a change is pending, and never the password.
type PendingValues struct {
	MasterUserPassword string `xml:",omitempty"`
}

func (i *dbInstance) shape() InstanceDescription {
	s := InstanceDescription{
		DBInstanceIdentifier: i.Identifier, ARN: i.master.rds.env.Account.ARN("rds", "db:"+i.Identifier), DBInstanceStatus: i.master.status,
		DBName: i.DBName, Engine: i.Engine, MasterUsername: i.Master.Name, MasterUserSecret: i.master.secret(),
		Address: i.Endpoint, Port: i.Port, PendingModifiedValues: i.master.pendingValues(),
	}
	if s.PendingModifiedValues == nil {
		s.PendingModifiedValues = &PendingValues{} // an instance has it always, a cluster when there is something in it
	}
	if i.cluster != nil {
		s.DBClusterIdentifier = i.cluster.Identifier
	}
	return s
}

func (c *dbCluster) shape() ClusterDescription {
	s := ClusterDescription{
		DBClusterIdentifier: c.Identifier, ARN: c.master.rds.env.Account.ARN("rds", "cluster:"+c.Identifier), Status: c.master.status,
		DatabaseName: c.DBName, Engine: c.Engine, MasterUsername: c.Master.Name, MasterUserSecret: c.master.secret(),
		Endpoint: c.Endpoint, ReaderEndpoint: c.ReaderEndpoint, CustomEndpoints: c.CustomEndpoints, Port: c.Port,
		PendingModifiedValues: c.master.pendingValues(),
	}
	for n, member := range c.members {
		s.Members = append(s.Members, Member{member.Identifier, n == 0})
	}
	return s
}

func (m *master) secret() *MasterUserSecret {
	if m.user.ManagedSecretARN == "" {
		return nil
	}
	return &MasterUserSecret{m.user.ManagedSecretARN, "active"}
}

func (m *master) pendingValues() *PendingValues {
	if m.pending == "" {
		return nil
	}
	return &PendingValues{"****"}
}
